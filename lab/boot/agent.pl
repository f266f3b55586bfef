#!/usr/bin/perl
# Runs what comes on the second serial line: `ID SCRIPT`, the script as hex; answers `ID STATUS OUTPUT`, the output as hex.
use strict;
use warnings;
system("stty -F /dev/ttyS1 raw -echo clocal") == 0 or die "no second serial line";
open(my $in, "<", "/dev/ttyS1") or die $!;
open(my $out, ">", "/dev/ttyS1") or die $!;
$out->autoflush(1);
print $out "up\n";
while (my $line = <$in>) {
  my ($id, $hex) = $line =~ /^(\d+) ([0-9a-f]*)$/ or next;
  my $script = pack("H*", $hex);
  my $pid = open(my $run, "-|");
  if (!$pid) {
    open(STDERR, ">&", \*STDOUT);
    exec("/bin/sh", "-c", $script);
  }
  local $/;
  my $output = <$run>;
  close($run);
  printf $out "%d %d %s\n", $id, $? >> 8, unpack("H*", defined $output ? $output : "");
}

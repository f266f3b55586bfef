#!/usr/bin/perl
# usage: wire.pl TAP IN OUT: carries frames between the tap, which is there already, and a QEMU that connects to the sockets: frames that
# come on OUT go to the tap, those of the tap go to IN. Each has its length before it, as QEMU's filter-redirector has it.
use strict;
use warnings;
use IO::Select;
use Socket;
my ($name, $in, $out) = @ARGV;
open(my $tap, "+<", "/dev/net/tun") or die $!;
# TUNSETIFF with IFF_TAP | IFF_NO_PI
ioctl($tap, 0x400454ca, my $wish = pack("a16 s x22", $name, 0x1002)) or die "$name: $!";
my ($to, $from) = map { accepted($_) } bound($in), bound($out);
my ($all, $rest) = (IO::Select->new($tap, $from), "");
while (my @ready = $all->can_read) {
  for my $end (@ready) {
    if ($end == $tap) {
      sysread($tap, my $frame, 65536) or next;
      syswrite($to, pack("N/a*", $frame)) or exit;
      next;
    }
    sysread($from, $rest, 65536, length $rest) or exit;
    while (length $rest >= 4 && length $rest >= 4 + unpack("N", $rest)) {
      syswrite($tap, unpack("N/a*", $rest));
      substr($rest, 0, 4 + unpack("N", $rest)) = "";
    }
  }
}

sub bound {
  my ($path) = @_;
  unlink $path;
  socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or die $!;
  bind($socket, sockaddr_un($path)) or die "$path: $!";
  chmod 0666, $path;
  listen($socket, 1);
  return $socket;
}

sub accepted {
  my ($socket) = @_;
  accept(my $connection, $socket) or die $!;
  return $connection;
}

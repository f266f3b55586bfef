#!/usr/bin/perl
# usage: echo.pl udp|tcp PORT...: answers every datagram with itself, and every connection with a word, on any address.
use strict;
use warnings;
use IO::Select;
use Socket;
my ($kind, @ports) = @ARGV;
my $type = $kind eq "udp" ? SOCK_DGRAM : SOCK_STREAM;
my $all = IO::Select->new;
for my $port (@ports) {
  socket(my $socket, PF_INET, $type, 0) or die $!;
  setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($socket, sockaddr_in($port, INADDR_ANY)) or die $!;
  listen($socket, 50) if $kind eq "tcp";
  $all->add($socket);
}
while (my @ready = $all->can_read) {
  for my $socket (@ready) {
    if ($kind eq "udp") {
      my $peer = recv($socket, my $data, 1500, 0);
      send($socket, $data, 0, $peer) if defined $peer;
    } elsif (accept(my $connection, $socket)) {
      syswrite($connection, "hello\n");
      close($connection);
    }
  }
}

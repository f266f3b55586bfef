#!/usr/bin/perl
# usage: send.pl ADDRESS PORT...: a datagram to each port, ten times a second, whatever becomes of it.
use strict;
use warnings;
use Socket;
my ($address, @ports) = @ARGV;
socket(my $socket, PF_INET, SOCK_DGRAM, 0) or die $!;
for (my $count = 1 ; ; $count++) {
  send($socket, "$count", 0, sockaddr_in($_, inet_aton($address))) for @ports;
  select(undef, undef, undef, 0.1);
}

#!/usr/bin/perl
# usage: send.pl ADDRESS PORT PACKETS_A_SECOND PACKETS_A_FLOW
# Sends numbered UDP datagrams, every few of them from a new socket and so as a new flow, until its standard input closes.
# Prints how many it sent, and in how many flows.
use strict;
use warnings;
use Socket;

my ($address, $port, $rate, $flow_length) = @ARGV;
my $peer = pack_sockaddr_in($port, inet_aton($address));
my ($sent, $flows, $socket) = (0, 0);
my $stdin = '';
vec($stdin, fileno(STDIN), 1) = 1;
while (1) {
    last if select(my $closed = $stdin, undef, undef, 1 / $rate);
    if ($sent % $flow_length == 0) {
        socket($socket, PF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
        $flows++;
    }
    # A refused or unreachable datagram is a lost one: the receiver's count will say so.
    send($socket, pack('N', $sent), 0, $peer);
    $sent++;
}
print "$sent $flows\n";

#!/usr/bin/perl
# usage: knock.pl ADDRESS FIRST_PORT COUNT
# Begins a TCP connection to each of the ports and waits for none of them.
use strict;
use warnings;
use Socket;
use Fcntl;

my ($address, $first, $count) = @ARGV;
my $peer = inet_aton($address);
for my $port ($first .. $first + $count - 1) {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
    fcntl($socket, F_SETFL, O_NONBLOCK);
    connect($socket, pack_sockaddr_in($port, $peer));
}

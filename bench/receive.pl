#!/usr/bin/perl
# usage: receive.pl PORT
# Counts datagrams of send.pl until its standard input closes. Prints "ready" first; at the end how many came, the number that would have
# been next, and the length of each run of numbers that did not come.
use strict;
use warnings;
use Socket;

$| = 1;
socket(my $socket, PF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
setsockopt($socket, SOL_SOCKET, SO_RCVBUF, 4 * 1024 * 1024) or die "setsockopt: $!\n";
bind($socket, pack_sockaddr_in($ARGV[0], INADDR_ANY)) or die "bind: $!\n";
print "ready\n";
my ($received, $next, @gaps) = (0, 0);
my $watched = '';
vec($watched, fileno(STDIN), 1) = 1;
vec($watched, fileno($socket), 1) = 1;
while (1) {
    select(my $readable = $watched, undef, undef, undef);
    if (vec($readable, fileno($socket), 1)) {
        recv($socket, my $datagram, 64, 0);
        my $number = unpack('N', $datagram);
        $received++;
        push @gaps, $number - $next if $number > $next;
        $next = $number + 1;
    } elsif (vec($readable, fileno(STDIN), 1)) {
        last;
    }
}
print "$received $next @gaps\n";

#!/usr/bin/perl
# usage: listen.pl PORT
# Accepts TCP connections and closes them, until killed. Prints "ready" first.
use strict;
use warnings;
use Socket;

$| = 1;
socket(my $server, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
setsockopt($server, SOL_SOCKET, SO_REUSEADDR, 1) or die "setsockopt: $!\n";
bind($server, pack_sockaddr_in($ARGV[0], INADDR_ANY)) or die "bind: $!\n";
listen($server, 4096) or die "listen: $!\n";
print "ready\n";
while (1) {
    my $client;
    accept($client, $server) and close($client);
}

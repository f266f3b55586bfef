#!/usr/bin/perl
# The guest as a client, asked over HTTP, since nobody can log in. Numeric addresses only; IPv6 in brackets.
#   /cgi-bin/fetch?http://HOST[:PORT]/PATH   first line `ok` or `failed`, then the page; for /slow/N it waits N seconds, not 3
#   /cgi-bin/connect?HOST:PORT               `open` or `closed`: does a TCP connection get through?
# perl, because busybox's wget crashes here: static, it asks NSS for the port of "http".
use strict;
use warnings;
use Socket qw(:DEFAULT pack_sockaddr_in6 inet_pton);

$| = 1;
print "Content-Type: text/plain\r\n\r\n";
my $wanted   = $ENV{QUERY_STRING} // '';
my $fetching = $0 =~ /fetch$/;
$wanted =~ m{^(?:http://)?(?:\[([0-9a-fA-F:]+)\]|([0-9.]+))(?::([0-9]+))?(/.*)?$} or do {
    print "failed\nnot an address: $wanted\n";
    exit;
};
my ( $ipv6, $ipv4, $port, $path ) = ( $1, $2, $3 // 80, $4 // '/' );
my $peer = defined $ipv6
  ? pack_sockaddr_in6( $port, inet_pton( AF_INET6, $ipv6 ) )
  : pack_sockaddr_in( $port, inet_aton($ipv4) );

$SIG{ALRM} = sub { print $fetching ? "failed\ntimeout\n" : "closed\n"; exit };
alarm( $path =~ m{^/slow/([0-9]+)$} ? $1 : 3 );
socket( my $socket, defined $ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0 ) or die "socket: $!";
if ( !connect( $socket, $peer ) ) {
    print $fetching ? "failed\n$!\n" : "closed\n";
    exit;
}
if ( !$fetching ) { print "open\n"; exit }

# syswrite, because print would keep the request in perl's buffer.
syswrite( $socket, "GET $path HTTP/1.0\r\nHost: guest\r\n\r\n" );
my $reply = '';
1 while sysread( $socket, $reply, 65536, length $reply );
$reply =~ s/^.*?\r\n\r\n//s;
print "ok\n$reply";

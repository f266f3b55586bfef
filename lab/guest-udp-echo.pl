# UDP echo on port 7, IPv4 and IPv6 in one socket. Runs in the guest with the machine's own perl-base.
use strict;
use warnings;
use Socket qw(:DEFAULT IPPROTO_IPV6 IPV6_V6ONLY IN6ADDR_ANY pack_sockaddr_in6);

socket(my $echo, AF_INET6, SOCK_DGRAM, 0) or die "socket: $!";
setsockopt($echo, IPPROTO_IPV6, IPV6_V6ONLY, 0);
# 33 is SO_RCVBUFFORCE, which Socket.pm does not name: an emulated guest may stall for a second, and what then
# overflows here would look like a loss in the firewall.
setsockopt($echo, SOL_SOCKET, 33, 16_000_000) or die "setsockopt: $!";
bind($echo, pack_sockaddr_in6(7, IN6ADDR_ANY)) or die "bind: $!";
while (1) {
    my $sender = recv($echo, my $datagram, 2048, 0);
    send($echo, $datagram, 0, $sender) if $sender;
}

#!/usr/bin/perl
# usage: router.pl INTERFACE
# Tells everybody behind the interface, several times a second and until it is killed, that a router is here, as one of the kernel's own
# or radvd does (RFC 4861, 4.2; RFC 4862: an address to make of 2001:db8:1::/64, to use for nothing new).
use strict;
use warnings;
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6);

# linux/icmpv6.h, linux/in6.h
use constant { IPPROTO_ICMPV6 => 58, IPPROTO_IPV6 => 41, IPV6_MULTICAST_HOPS => 18 };

my ($interface) = @ARGV;
open(my $file, '<', "/sys/class/net/$interface/ifindex") or die "$interface: $!\n";
my $index = 0 + <$file>;
socket(my $socket, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) or die "raw socket: $!\n";
setsockopt($socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, pack('i', 255)) or die "hops: $!\n";
my $prefix = inet_pton(AF_INET6, '2001:db8:1::');
my $option = pack('C C C C N N N', 3, 4, 64, 0xc0, 3600, 0, 0) . $prefix;
my $advertisement = pack('C C n C C n N N', 134, 0, 0, 64, 0, 1800, 0, 0) . $option;
my $everybody = pack_sockaddr_in6(0, inet_pton(AF_INET6, 'ff02::1'), $index);
while (1) {
  send($socket, $advertisement, 0, $everybody);
  select(undef, undef, undef, 0.2);
}

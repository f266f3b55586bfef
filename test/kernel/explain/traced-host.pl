#!/usr/bin/perl
# usage: traced-host.pl TAP...
# A host whose taps are in our hands: makes them, prints `ready`, then reads lines `TAP HEX`, a frame to send into that tap, and
# `host HEX`, an IP packet that the host itself sends. It answers each with one line of JSON: `frames`, what came out of the taps,
# as [TAP, HEX]; `traces`, the kernel's trace messages, as HEX of netlink.
# A frame written to a tap has been through the kernel when the write returns, so nothing here waits.
use strict;
use warnings;
use Fcntl;
use Socket;

# linux/if_tun.h, linux/netlink.h; the group is NFNLGRP_NFTRACE of linux/netfilter/nfnetlink.h.
use constant { TUNSETIFF => 0x400454ca, IFF_TAP => 2, IFF_NO_PI => 0x1000 };
use constant { AF_NETLINK => 16, NETLINK_NETFILTER => 12, NFNLGRP_NFTRACE => 9, SO_RCVBUFFORCE => 33 };
use constant IPPROTO_RAW => 255;

my %tap;
for my $name (@ARGV) {
  sysopen(my $device, '/dev/net/tun', O_RDWR | O_NONBLOCK) or die "/dev/net/tun: $!\n";
  ioctl($device, TUNSETIFF, pack('a16 S x22', $name, IFF_TAP | IFF_NO_PI)) or die "tap $name: $!\n";
  $tap{$name} = $device;
}
socket(my $trace, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) or die "netlink: $!\n";
setsockopt($trace, SOL_SOCKET, SO_RCVBUFFORCE, pack('i', 8 << 20)) or die "buffer: $!\n";
bind($trace, pack('S S L L', AF_NETLINK, 0, 0, 1 << (NFNLGRP_NFTRACE - 1))) or die "bind: $!\n";
fcntl($trace, F_SETFL, O_NONBLOCK) or die "fcntl: $!\n";
my %out;
for my $family (AF_INET, AF_INET6) {
  socket($out{$family}, $family, SOCK_RAW, IPPROTO_RAW) or die "raw socket: $!\n";
}
$| = 1;
print "ready\n";
while (my $line = <STDIN>) {
  my ($place, $hex) = split ' ', $line;
  my $bytes = pack 'H*', $hex;
  answer();
  if ($place eq 'host') { send_packet($bytes) }
  else { syswrite($tap{$place}, $bytes) // die "$place: $!\n" }
  my ($frames, $traces) = answer();
  print '{"frames":[', join(',', @$frames), '],"traces":[', join(',', @$traces), "]}\n";
}

# A firewall's drop of what the host sends is an error to its sender.
sub send_packet {
  my ($bytes) = @_;
  my $isFour = ord($bytes) >> 4 == 4;
  my $to = $isFour ? substr($bytes, 16, 4) : substr($bytes, 24, 16);
  my $end = $isFour ? pack_sockaddr_in(0, $to) : pack_sockaddr_in6(0, $to);
  send($out{$isFour ? AF_INET : AF_INET6}, $bytes, 0, $end);
}

# All that came since the last time.
sub answer {
  my (@frames, @traces);
  for my $name (sort keys %tap) {
    while (sysread($tap{$name}, my $frame, 65536)) {
      push @frames, sprintf '["%s","%s"]', $name, unpack('H*', $frame);
    }
  }
  while (defined recv($trace, my $message, 65536, 0)) {
    last if $message eq '';
    push @traces, '"' . unpack('H*', $message) . '"';
  }
  return (\@frames, \@traces);
}

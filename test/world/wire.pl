#!/usr/bin/perl
# usage: wire.pl BRIDGE TAP...
# Holds the far ends of taps, which it makes, and listens as the host behind its firewall. After `ready` it reads lines
# `TAP HEX`, a frame to send into that tap, and `host HEX`, an IP packet that the host itself sends. It answers each with a line
# `PLACE:HEX ...` of all that came: the taps' names, and `host` for what the host's own sockets received.
# A frame written to a tap has been through the kernel when the write returns, so nothing here waits or measures time.
use strict;
use warnings;
use Fcntl;
use Socket;

# linux/if_tun.h, linux/if_packet.h, linux/if_ether.h, linux/in6.h
use constant { TUNSETIFF => 0x400454ca, IFF_TAP => 2, IFF_NO_PI => 0x1000 };
use constant { AF_PACKET => 17, PACKET_OUTGOING => 4, ETH_P_ALL => 3, IPPROTO_RAW => 255, SO_MARK => 36 };
# Of what the host sends only packets with this mark leave it: no answer of its own disturbs a test.
use constant OWN_MARK => 1;

my ($bridge, @taps) = @ARGV;
my (%tap, @raw);
for my $name (@taps) {
  sysopen(my $device, '/dev/net/tun', O_RDWR | O_NONBLOCK) or die "/dev/net/tun: $!\n";
  ioctl($device, TUNSETIFF, pack('a16 S x22', $name, IFF_TAP | IFF_NO_PI)) or die "tap $name: $!\n";
  $tap{$name} = $device;
}
system('ip', 'link', 'set', $_, 'up') == 0 or die "ip failed\n" for @taps;
$| = 1;
print "made\n";
# The bridge and addresses are put up meanwhile.
<STDIN>;

# What frames other than IP's reach the host: its bridge hands them up past the bridge's own chains.
socket(my $link, AF_PACKET, SOCK_RAW, unpack('S', pack('n', ETH_P_ALL))) or die "packet socket: $!\n";
open(my $index, '<', "/sys/class/net/$bridge/ifindex") or die "$bridge: $!\n";
my $interface = 0 + <$index>;
bind($link, pack('S n i S C C a8', AF_PACKET, ETH_P_ALL, $interface, 0, 0, 0, '')) or die "bind: $!\n";
nonblocking($link);

for my $protocol (1, 2, 6, 17, 33, 47, 50, 51, 58, 132, 136, 200) {
  for my $family (AF_INET, AF_INET6) {
    socket(my $socket, $family, SOCK_RAW, $protocol) or die "raw socket $protocol: $!\n";
    nonblocking($socket);
    push @raw, $socket;
  }
}
my %out;
for my $family (AF_INET, AF_INET6) {
  socket($out{$family}, $family, SOCK_RAW, IPPROTO_RAW) or die "raw socket: $!\n";
  setsockopt($out{$family}, SOL_SOCKET, SO_MARK, pack('i', OWN_MARK)) or die "mark: $!\n";
  setsockopt($out{$family}, SOL_SOCKET, SO_BROADCAST, pack('i', 1)) or die "broadcast: $!\n";
}

drain();
print "ready\n";
while (my $line = <STDIN>) {
  my ($place, $hex) = split ' ', $line;
  my $bytes = pack 'H*', $hex;
  if ($place eq 'host') { send_packet($bytes) }
  else { syswrite($tap{$place}, $bytes) // die "$place: $!\n" }
  print join(' ', drain()), "\n";
}

sub nonblocking { fcntl($_[0], F_SETFL, O_NONBLOCK) or die "fcntl: $!\n" }

sub send_packet {
  my ($bytes) = @_;
  my $is_six = ord($bytes) >> 4 == 6;
  my $address = $is_six ? substr($bytes, 24, 16) : substr($bytes, 16, 4);
  my $to = $is_six ? pack_sockaddr_in6(0, $address) : pack_sockaddr_in(0, $address);
  # A packet that its own output chains drop is refused with EPERM: it did not arrive, that is all.
  send($out{ $is_six ? AF_INET6 : AF_INET }, $bytes, 0, $to);
}

sub drain {
  my @came;
  for my $name (@taps) {
    while (sysread($tap{$name}, my $frame, 65536)) { push @came, "$name:" . unpack('H*', $frame) }
  }
  while (defined(my $from = recv($link, my $frame, 65536, 0))) {
    my $type = unpack('n', substr($frame, 12, 2));
    next if unpack('x10 C', $from) == PACKET_OUTGOING || $type == 0x0800 || $type == 0x86dd;
    push @came, 'host:' . unpack('H*', $frame);
  }
  for my $socket (@raw) {
    while (defined(recv($socket, my $packet, 65536, 0))) { push @came, 'host:' . unpack('H*', $packet) }
  }
  return @came;
}

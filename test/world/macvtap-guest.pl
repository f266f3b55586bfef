#!/usr/bin/perl
# usage: macvtap-guest.pl DEVICE MAC ADDRESS/LENGTH
# Is to a macvtap what QEMU and the guest's nic are: hands all frames on between its device (/dev/tapN) and an eth0 that it makes where it
# runs.
use strict;
use warnings;
use Fcntl;

# linux/if_tun.h
use constant { TUNSETIFF => 0x400454ca, IFF_TAP => 2, IFF_NO_PI => 0x1000 };

my ($path, $mac, $address) = @ARGV;
my $macvtap = attach($path, '');
my $nic = attach('/dev/net/tun', 'eth0');
for my $words ("link set eth0 address $mac up", "addr add $address dev eth0") {
  system('ip', split ' ', $words) == 0 or die "ip $words failed\n";
}
my $readers = '';
vec($readers, fileno($_), 1) = 1 for $macvtap, $nic;
while (select(my $ready = $readers, undef, undef, undef) > 0) {
  for ([$macvtap, $nic], [$nic, $macvtap]) {
    my ($from, $to) = @$_;
    next unless vec($ready, fileno($from), 1);
    sysread($from, my $frame, 65536) or die "read: $!\n";
    syswrite($to, $frame) // die "write: $!\n";
  }
}

sub attach {
  my ($path, $name) = @_;
  sysopen(my $device, $path, O_RDWR) or die "$path: $!\n";
  ioctl($device, TUNSETIFF, pack('a16 S x22', $name, IFF_TAP | IFF_NO_PI)) or die "$path: $!\n";
  return $device;
}

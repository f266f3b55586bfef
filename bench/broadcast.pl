#!/usr/bin/perl
# usage: broadcast.pl COUNT BRIDGE MAC ADDRESS TAP...
# Makes the taps, joins them to the bridge, and broadcasts COUNT ARP requests from the first, whose MAC and address are given. Prints
# how many microseconds the kernel took for each: a frame written to a tap has been through all other ports when the write returns.
# Waits for a line on its input once the taps are there and it has said `ready`. Dies where not every frame reached every tap.
use strict;
use warnings;
use Fcntl;
use POSIX ();
use Socket;

my %clock_gettime = (x86_64 => 228, aarch64 => 113);
my $number = $clock_gettime{ (POSIX::uname())[4] } // die "no number of clock_gettime known\n";

sub now_us {
    my $buffer = pack('qq', 0, 0);
    syscall($number, 1, $buffer) == 0 or die "clock_gettime: $!\n";
    my ($seconds, $nanoseconds) = unpack('qq', $buffer);
    return $seconds * 1e6 + $nanoseconds / 1e3;
}

# linux/if_tun.h
use constant { TUNSETIFF => 0x400454ca, IFF_TAP => 2, IFF_NO_PI => 0x1000 };

my ($count, $bridge, $mac, $address, @names) = @ARGV;
die "usage: $0 COUNT BRIDGE MAC ADDRESS TAP...\n" if !@names;
my @taps = map {
    sysopen(my $tap, '/dev/net/tun', O_RDWR | O_NONBLOCK) or die "/dev/net/tun: $!\n";
    ioctl($tap, TUNSETIFF, pack('a16 S x22', $_, IFF_TAP | IFF_NO_PI)) or die "tap $_: $!\n";
    $tap;
} @names;
open(my $ip, '|-', 'ip', '-batch', '-') or die "ip: $!\n";
print {$ip} "link set $_ master $bridge up\n" for @names;
close($ip) or die "ip failed\n";
$| = 1;
print "ready\n";
<STDIN>;

my $hardware = pack('H12', $mac =~ tr/://dr);
my $frame = pack('H12', 'f' x 12) . $hardware . pack('n n n C C n', 0x0806, 1, 0x0800, 6, 4, 1)
    . $hardware . inet_aton($address) . "\0" x 6 . inet_aton($address);
drain();
my @times;
for (1 .. $count) {
    my $started = now_us();
    syswrite($taps[0], $frame) // die "write: $!\n";
    push @times, now_us() - $started;
    my $heard = drain();
    die "heard at $heard of $#taps taps\n" if $heard != $#taps;
}
printf "%.1f\n", $_ for @times;

sub drain {
    my $heard = 0;
    for my $tap (@taps) {
        while (sysread($tap, my $came, 2048)) { $heard++ if $came eq ($frame // '') }
    }
    return $heard;
}

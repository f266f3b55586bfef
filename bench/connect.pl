#!/usr/bin/perl
# usage: connect.pl COUNT ADDRESS PORT...
# Opens COUNT TCP connections one after the other, round the ports, and prints how many microseconds each connect(2) took.
# Perl, because a connect from Node costs more in Node than in the kernel, and perl-base is on every Debian.
use strict;
use warnings;
use POSIX ();
use Socket;

my %clock_gettime = (x86_64 => 228, aarch64 => 113);
my $machine = (POSIX::uname())[4];
my $number = $clock_gettime{$machine} // die "no number of clock_gettime known for $machine\n";

sub now_us {
    my $buffer = pack('qq', 0, 0);
    syscall($number, 1, $buffer) == 0 or die "clock_gettime: $!\n";
    my ($seconds, $nanoseconds) = unpack('qq', $buffer);
    return $seconds * 1e6 + $nanoseconds / 1e3;
}

my ($count, $address, @ports) = @ARGV;
die "usage: $0 COUNT ADDRESS PORT...\n" if !@ports;
my @peers = map { pack_sockaddr_in($_, inet_aton($address)) } @ports;
my $reset_on_close = pack('ii', 1, 0);
my @times;
for my $i (0 .. $count - 1) {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
    setsockopt($socket, SOL_SOCKET, SO_LINGER, $reset_on_close) or die "setsockopt: $!\n";
    my $started = now_us();
    connect($socket, $peers[$i % @peers]) or die "connect to $ports[$i % @ports]: $!\n";
    push @times, now_us() - $started;
    close($socket);
}
printf "%.1f\n", $_ for @times;

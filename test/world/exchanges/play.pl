# play.pl FILE: plays exchanges between network namespaces from one process, since a socket stays where it was made.
# A line of FILE is `load RULESET`, `ask ID PROTOCOL PLACE ADDRESS PORT BYTES`, or `play`, which plays what was asked since the last
# one and prints `ID ok`, `ID refused` or `ID silent` for each. `warm` stands for `play` until all is ok.
use strict;
use warnings;
use Errno qw(EINPROGRESS);
use Fcntl;
use IO::Select;
use Socket qw(:all);

my $setns  = 308;           # x86_64
my $newnet = 0x40000000;    # CLONE_NEWNET
my %place;
open( $place{host}, '<', '/proc/self/ns/net' ) or die "host: $!";
for my $name (qw(a b c world)) { open( $place{$name}, '<', "/run/netns/$name" ) or die "$name: $!" }

sub make {
    my ( $name, $family, $type ) = @_;
    syscall( $setns, fileno( $place{$name} ), $newnet ) == 0 or die "setns: $!";
    socket( my $socket, $family, $type, 0 ) or die "socket: $!";
    fcntl( $socket, F_SETFL, O_NONBLOCK ) or die "fcntl: $!";
    return $socket;
}

my ( %tcp, %udp, @kept );
for my $name ( keys %place ) {
    for my $family ( AF_INET, AF_INET6 ) {
        my $all = $family == AF_INET ? pack_sockaddr_in( 7, INADDR_ANY ) : pack_sockaddr_in6( 7, IN6ADDR_ANY );
        for my $type ( SOCK_STREAM, SOCK_DGRAM ) {
            my $socket = make( $name, $family, $type );
            setsockopt( $socket, IPPROTO_IPV6, IPV6_V6ONLY, 1 ) if $family == AF_INET6;
            bind( $socket, $all ) or die "bind: $!";
            listen( $socket, 99 ) if $type == SOCK_STREAM;
            ( $type == SOCK_STREAM ? \%tcp : \%udp )->{$socket} = $socket;
        }
    }
}

sub answer {
    my ($socket) = @_;
    if ( $udp{$socket} ) {
        my $peer = recv( $socket, my $bytes, 65536, 0 );
        send( $socket, $bytes, 0, $peer ) if defined $peer;
    }
    elsif ( accept( my $connection, $socket ) ) {
        syswrite( $connection, 'here' );
        # It stays open, so that connections can be counted.
        push @kept, $connection;
    }
}

sub play {
    my ( $seconds, @asked ) = @_;
    my ( %word, %asker, %rounds );
    for (@asked) {
        my ( $id, $protocol, $name, $address, $port, $bytes ) = @$_;
        my $is6    = $address =~ /:/;
        my $socket = make( $name, $is6 ? AF_INET6 : AF_INET, $protocol eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM );
        my $peer   = $is6
          ? pack_sockaddr_in6( $port, inet_pton( AF_INET6, $address ) )
          : pack_sockaddr_in( $port, inet_aton($address) );
        if ( !connect( $socket, $peer ) && $! != EINPROGRESS ) { $word{$id} = 'refused'; next }
        # A datagram each way and once more, for what holds of the first packet only.
        $rounds{$id} = $protocol eq 'tcp' ? 1 : 2;
        syswrite( $socket, 'x' x $bytes ) if $protocol eq 'udp';
        $asker{$socket} = [ $socket, @$_ ];
    }
    my $end = time + $seconds;
    while ( %asker && ( my $left = $end - time ) > 0 ) {
        my $select = IO::Select->new( values %tcp, values %udp, map { $_->[0] } values %asker );
        for my $socket ( $select->can_read($left) ) {
            # Silence is that nothing at all comes for so long: an emulated machine may be slow.
            $end = time + $seconds;
            if ( !$asker{$socket} ) { answer($socket); next }
            my ( undef, $id, undef, undef, undef, undef, $bytes ) = @{ $asker{$socket} };
            my $heard = sysread( $socket, my $text, 65536 );
            if ( $heard && --$rounds{$id} ) { syswrite( $socket, 'x' x $bytes ); next }
            $word{$id} = $heard ? 'ok' : 'refused';
            push @kept, $socket;
            delete $asker{$socket};
        }
    }
    return map { [ $_->[0], $word{ $_->[0] } // 'silent' ] } @asked;
}

$| = 1;
my @asked;
open( my $script, '<', $ARGV[0] ) or die "$ARGV[0]: $!";
while ( my $line = <$script> ) {
    my ( $what, @words ) = split ' ', $line;
    if ( $what eq 'ask' ) { push @asked, [@words]; next }
    if ( $what eq 'load' ) {
        syscall( $setns, fileno( $place{host} ), $newnet ) == 0 or die "setns: $!";
        system('nft flush ruleset') == 0 && system("nft -f $words[0]") == 0 or die "$words[0] does not load\n";
        next;
    }
    if ( $what eq 'warm' ) {
        my $end = time + 30;
        while ( my @late = grep { $_->[1] ne 'ok' } play( 2, @asked ) ) {
            die "does not answer: @{[ map { $_->[0] } @late ]}\n" if time > $end;
        }
    }
    else { print map { "@$_\n" } play( 3, @asked ) }
    @asked = @kept = ();
}

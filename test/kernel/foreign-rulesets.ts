/** Host firewalls as people write them: each loads with nft 1.0.6, and chain names say what the file is about. */
export const rulesetFiles = {
  /** Debian's nftables 1.0.6 ships this as /etc/nftables.conf: nothing drops. */
  debian: `#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter;
	}
	chain forward {
		type filter hook forward priority filter;
	}
	chain output {
		type filter hook output priority filter;
	}
}
`,
  /** In the manner of Arch's default: destroys its own table only. */
  arch: `#!/usr/bin/nft -f
# vim:set ts=2 sw=2 et:

# IPv4/IPv6 Simple & Safe firewall ruleset.

table inet filter
delete table inet filter
table inet filter {
  chain input {
    type filter hook input priority filter
    policy drop

    ct state invalid drop comment "early drop of invalid connections"
    ct state {established, related} accept comment "allow tracked connections"
    iif lo accept comment "allow from loopback"
    ip protocol icmp accept comment "allow icmp"
    meta l4proto ipv6-icmp accept comment "allow icmp v6"
    tcp dport ssh accept comment "allow sshd"
    pkttype host limit rate 5/second counter reject with icmpx type admin-prohibited
    counter
  }

  chain forward {
    type filter hook forward priority filter
    policy drop
  }
}
`,
  /** In the manner of Gentoo's wiki: commands, one a line. */
  gentoo: `#!/sbin/nft -f
flush ruleset
add table inet filter
add chain inet filter input { type filter hook input priority 0; policy drop; }
add chain inet filter forward { type filter hook forward priority 0; policy drop; }
add chain inet filter output { type filter hook output priority 0; policy accept; }
add rule inet filter input iif lo accept
add rule inet filter input ct state { established, related } accept
add rule inet filter input tcp dport 22 accept
`,
  oneLine: `flush ruleset
table inet filter { chain input { type filter hook input priority 0; policy drop; iif lo accept; tcp dport 22 accept; }; chain forward { type filter hook forward priority 0; policy drop; }; }
`,
  /** What people with libvirt guests and nftables start from. */
  workstation: `#!/usr/bin/nft -f
flush ruleset
table inet filter {
chain input {
type filter hook input priority 0; policy drop;
ct state invalid drop
ct state established accept
ct state related accept
iifname "lo" accept
}
chain forward {
type filter hook forward priority 0; policy drop;
}
chain output {
type filter hook output priority 0; policy accept;
}
}
`,
  variables: `flush ruleset
define WAN = "eth0"
define SERVICES = {
	22, # ssh {
	443
}
define PRIO = 10
table inet fw {
	set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/28,
		203.0.113.7 } }
	chain in {
		type filter hook input priority $PRIO; policy drop; # drop { the rest
		iifname $WAN tcp dport $SERVICES accept
		ip saddr @blocked \\
			counter drop
	}
}
`,
  comments: `flush ruleset
# table inet decoy { chain input { type filter hook input priority 0; policy drop; } }
table inet filter { # the only table
	comment "}; chain x { type filter hook input priority 0; policy drop; }"
	chain forward { # guests
		comment "type filter hook forward; {"
		type filter hook forward priority filter + 5; # early
		policy drop; # closed

		log prefix "fw { drop " accept
	}
}
`,
  reject: `flush ruleset
table ip filter {
	chain forward {
		type filter hook forward priority filter; policy accept;
		jump guests
	}
	chain guests {
		ct state vmap { established : accept, related : accept, invalid : drop }
		reject with icmp type port-unreachable
	}
}
table ip6 filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
`,
  policyLast: `flush ruleset
table inet filter {
    chain input {
        type filter hook input priority 0
        ct state established,related accept
        tcp dport 22 accept
        policy drop
    }
}
`,
  splitChain: `flush ruleset
table inet filter {
	chain forward {
		type filter hook forward priority 0; policy drop;
	}
}
table inet filter {
	chain forward {
		ct state established accept
	}
}
`,
  early: `flush ruleset
table inet raw {
	chain pre {
		type filter hook prerouting priority raw; policy accept;
		fib saddr . iif oif missing drop
	}
	chain forward_early {
		type filter hook forward priority mangle; policy drop;
		accept
	}
}
table inet filter {
	chain forward { type filter hook forward priority security; policy drop;
		accept
	}
}
`,
  bridge: `flush ruleset
table bridge filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ether type arp accept
	}
}
table inet nat {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		masquerade
	}
}`,
} as const;

/** libvirt 11.3, nftables backend, one NAT network on virbr0 (reference: src/network/network_nftables.c). `lo` stands in for the bridge. */
export const libvirtNftables = `table ip libvirt_network {
	chain forward {
		type filter hook forward priority filter; policy accept;
		counter packets 0 bytes 0 jump guest_cross
		counter packets 0 bytes 0 jump guest_input
		counter packets 0 bytes 0 jump guest_output
	}
	chain guest_output {
		ip saddr 10.30.0.0/24 iif "lo" counter packets 0 bytes 0 accept
		iif "lo" counter packets 0 bytes 0 reject
	}
	chain guest_input {
		oif "lo" ip daddr 10.30.0.0/24 ct state established,related counter packets 0 bytes 0 accept
		oif "lo" counter packets 0 bytes 0 reject
	}
	chain guest_cross {
		iif "lo" oif "lo" counter packets 0 bytes 0 accept
	}
	chain guest_nat {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 10.30.0.0/24 ip daddr 224.0.0.0/24 counter packets 0 bytes 0 return
		meta l4proto tcp ip saddr 10.30.0.0/24 ip daddr != 10.30.0.0/24 counter packets 0 bytes 0 masquerade to :1024-65535
	}
}
table ip6 libvirt_network {
	chain forward {
		type filter hook forward priority filter; policy accept;
		counter packets 0 bytes 0 jump guest_input
	}
	chain guest_input {
		oif "lo" counter packets 0 bytes 0 reject
	}
}
`;

/** libvirt's iptables backend (network_iptables.c), with a host whose policy is DROP. */
export const libvirtIptables = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:LIBVIRT_FWI - [0:0]
:LIBVIRT_FWO - [0:0]
:LIBVIRT_FWX - [0:0]
:LIBVIRT_INP - [0:0]
:LIBVIRT_OUT - [0:0]
-A INPUT -j LIBVIRT_INP
-A FORWARD -j LIBVIRT_FWX
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A OUTPUT -j LIBVIRT_OUT
-A LIBVIRT_FWI -d 10.20.0.0/24 -o virbr20 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o virbr20 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWO -s 10.20.0.0/24 -i virbr20 -j ACCEPT
-A LIBVIRT_FWO -i virbr20 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWX -i virbr20 -o virbr20 -j ACCEPT
-A LIBVIRT_INP -i virbr20 -p udp -m udp --dport 53 -j ACCEPT
-A LIBVIRT_OUT -o virbr20 -p udp -m udp --dport 68 -j ACCEPT
COMMIT
`;

import type { World } from "../world.ts";
import type { ForeignFirewall } from "./foreign-firewall.ts";

/** Nothing but virtwall on the host. */
export function noFirewall(): ForeignFirewall {
  const nothing = () => Promise.resolve();
  return {
    start: nothing,
    restart: nothing,
    stop: nothing,
    listing: () => Promise.resolve(""),
    close: nothing,
  };
}

/** A file of nft, loaded as nftables.service loads it. `end` undoes it. */
export function nftFile(world: World, file: string, end: string): ForeignFirewall {
  const load = async () => void (await world.onHost(["nft", "-f", "-"], file));
  return {
    start: load,
    restart: load,
    stop: async () => void (await world.onHost(["nft", "-f", "-"], end)),
    listing: async () =>
      (await world.onHost(["nft", "-s", "list", "ruleset"])).replaceAll(/ # handle \d+/g, ""),
    close: () => Promise.resolve(),
  };
}

/** Rules of one variant of iptables, loaded as netfilter-persistent loads them: what was there is gone. */
export function iptablesRules(
  world: World,
  variant: "iptables-nft" | "iptables-legacy",
): ForeignFirewall {
  const programs = [variant, variant.replace("ip", "ip6")];
  const load = async (text: string) => {
    for (const program of programs) await world.onHost([`${program}-restore`], text);
  };
  return {
    start: () => load(strictIptables),
    restart: () => load(strictIptables),
    stop: () => load(openIptables),
    listing: async () => {
      const texts: string[] = [];
      for (const program of programs) texts.push(await world.onHost([`${program}-save`]));
      return texts
        .join("\n")
        .replaceAll(/^#.*\n/gm, "")
        .replaceAll(/ \[\d+:\d+\]$/gm, "");
    },
    close: () => Promise.resolve(),
  };
}

const strictIptables = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i br0 -p ipv6-icmp -j ACCEPT
-A INPUT -p tcp --dport 22 -i br0 -j ACCEPT
COMMIT
`;
const openIptables = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
`;

/** What people write who want a closed host. */
export const strictNft = `flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 22 iifname "br0" accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
	chain output {
		type filter hook output priority filter; policy accept;
	}
}
`;

/** The same in the families of each protocol and of the bridge, under names of the admin's own. */
export const strictFamilies = `flush ruleset
table ip four {
	chain to_host {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		tcp dport 22 iifname "br0" accept
	}
	chain through {
		type filter hook forward priority filter + 10; policy drop;
	}
}
table ip6 six {
	chain to_host {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 22 iifname "br0" accept
	}
	chain through {
		type filter hook forward priority filter; policy accept;
		meta mark & 0x1 == 0 reject
	}
}
table bridge frames {
	chain across {
		type filter hook forward priority filter; policy drop;
		ether type arp accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
}
`;

/**
 * Docker 29 with --firewall-backend=nftables, one network of a user's and one published port. Recorded from
 * moby/moby, integration/network/bridge/nftablesdoc/generated/usernet-portmap.md (108bdbd); the daemon itself was not run. The priority of
 * nat-OUTPUT is a number here, since nft 1.0.6 has no name for it at that hook.
 */
export const dockerNft = `table ip docker-bridges
delete table ip docker-bridges
table ip docker-bridges {
	map filter-forward-in-jumps {
		type ifname : verdict
		elements = { "docker0" : jump filter-forward-in__docker0,
			     "bridge1" : jump filter-forward-in__bridge1 }
	}

	map filter-forward-out-jumps {
		type ifname : verdict
		elements = { "docker0" : jump filter-forward-out__docker0,
			     "bridge1" : jump filter-forward-out__bridge1 }
	}

	map nat-postrouting-in-jumps {
		type ifname : verdict
		elements = { "docker0" : jump nat-postrouting-in__docker0,
			     "bridge1" : jump nat-postrouting-in__bridge1 }
	}

	map nat-postrouting-out-jumps {
		type ifname : verdict
		elements = { "docker0" : jump nat-postrouting-out__docker0,
			     "bridge1" : jump nat-postrouting-out__bridge1 }
	}

	chain filter-FORWARD {
		type filter hook forward priority filter; policy accept;
		oifname vmap @filter-forward-in-jumps
		iifname vmap @filter-forward-out-jumps
	}

	chain nat-OUTPUT {
		type nat hook output priority -100; policy accept;
		ip daddr != 127.0.0.0/8 fib daddr type local counter jump nat-prerouting-and-output
	}

	chain nat-POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		iifname vmap @nat-postrouting-out-jumps
		oifname vmap @nat-postrouting-in-jumps
	}

	chain nat-PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump nat-prerouting-and-output
	}

	chain nat-prerouting-and-output {
		iifname != "bridge1" tcp dport 8080 counter dnat to 192.0.2.2:80 comment "DNAT"
	}

	chain raw-PREROUTING {
		type filter hook prerouting priority raw; policy accept;
		ip daddr 192.0.2.2 iifname != "bridge1" counter drop comment "DROP DIRECT ACCESS"
	}

	chain filter-forward-in__docker0 {
		ct state established,related counter accept
		iifname "docker0" counter accept comment "ICC"
		counter drop comment "UNPUBLISHED PORT DROP"
	}

	chain filter-forward-out__docker0 {
		ct state established,related counter accept
		counter accept comment "OUTGOING"
	}

	chain nat-postrouting-in__docker0 {
	}

	chain nat-postrouting-out__docker0 {
		oifname != "docker0" ip saddr 172.17.0.0/16 counter masquerade comment "MASQUERADE"
	}

	chain filter-forward-in__bridge1 {
		ct state established,related counter accept
		iifname "bridge1" counter accept comment "ICC"
		ip daddr 192.0.2.2 tcp dport 80 counter accept
		counter drop comment "UNPUBLISHED PORT DROP"
	}

	chain filter-forward-out__bridge1 {
		ct state established,related counter accept
		counter accept comment "OUTGOING"
	}

	chain nat-postrouting-in__bridge1 {
	}

	chain nat-postrouting-out__bridge1 {
		oifname != "bridge1" ip saddr 192.0.2.0/24 counter masquerade comment "MASQUERADE"
	}
}
`;

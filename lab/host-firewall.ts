import { writeFile } from "node:fs/promises";

import type { World } from "./world.ts";

/** The hypervisor's own firewall, as an admin keeps it: a file, and `systemctl restart nftables`. */
export interface HostFirewall {
  /** The file's path inside the world. */
  readonly file: string;
  /** What a restart of nftables.service comes to: the file, from its `flush ruleset` on, in one transaction. */
  restart(): Promise<void>;
}

/** Drops whatever it does not name, on input and forward; it has never heard of guests. */
export const strictRules = `#!/usr/sbin/nft -f
flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		ct state invalid drop
		icmp type echo-request accept
		icmpv6 type { echo-request, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
		tcp dport 22 accept
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
	}

	chain output {
		type filter hook output priority filter; policy accept;
	}
}
`;

/** The same with what the guides tell admins of libvirt hosts to add by hand, so that anything works at all. */
export const handTunedRules = strictRules
  .replace(
    "\t\ttcp dport 22 accept\n",
    `\t\ttcp dport 22 accept
		iifname "virbr0" udp dport { 53, 67 } accept
		iifname "virbr0" tcp dport 53 accept
`,
  )
  .replace(
    "hook forward priority filter; policy drop;\n",
    `hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "virbr0" accept
		oifname "virbr0" accept
`,
  );

/** Writes the file into the world and loads it once. */
export async function hostFirewall(world: World, rules: string): Promise<HostFirewall> {
  const file = "/etc/nftables.conf";
  await writeFile(world.pathOf(file), rules, { mode: 0o755 });
  const restart = async () => {
    await world.must(["nft", "-f", file]);
  };
  await restart();
  return { file, restart };
}

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { SourceText } from "../../model/source-text.ts";
import type { ClockFacts, HostExaminer, HostFacts } from "../../ports/host-facts.ts";
import { readFolder, readText } from "../files/read-folder.ts";
import { FirewalldBus } from "../firewalld/firewalld-bus.ts";
import { defaultHooksFolder } from "../hooks/hook-files.ts";
import type { HookPaths } from "../hooks/hook-script.ts";
import { readHooks } from "../hooks/read-hooks.ts";
import { readAutostart } from "../libvirt/read-autostart.ts";
import { readLibvirtFacts } from "../libvirt/read-libvirt-facts.ts";
import { readKernelFeatures } from "../nft/kernel-features.ts";
import { listTables } from "../nft/list.ts";
import { readForeign } from "../nft/read-foreign.ts";
import { withOwners } from "../nft/with-owners.ts";
import { XtablesPrograms } from "../xtables/xtables.ts";
import { readNeighbours } from "./ip-neighbours.ts";
import { readListeners } from "./read-listeners.ts";
import { readLinks, readRoutes, readRoutingRules } from "./read-network.ts";
import { readSettings } from "./read-settings.ts";
import { readUnits } from "./read-units.ts";

type Lookers = { readonly [Name in keyof HostFacts]: () => Promise<HostFacts[Name]> };

/** This host, in the namespaces of this process. */
export class ThisHost implements HostExaminer {
  readonly #lookers: Lookers;

  /** Where the hooks of this installation lead, and files of its own whose times count. */
  constructor(own: { readonly hooks: HookPaths; readonly files: readonly string[] }) {
    const xtables = new XtablesPrograms();
    this.#lookers = {
      settings: readAllSettings,
      links: readLinks,
      routes: readRoutes,
      routingRules: readRoutingRules,
      neighbours: readNeighbours,
      listeners: readListeners,
      features: readKernelFeatures,
      tables: listTables,
      foreign: async () => withOwners(await readForeign()),
      xtables: () => xtables.read(),
      saves: () => xtables.list(),
      firewalld: readFirewalld,
      libvirt: readLibvirtFacts,
      autostart: readAutostart,
      dhcpServers: () => readFolder("/var/lib/libvirt/dnsmasq", ".conf"),
      hooks: () => readHooks(defaultHooksFolder, own.hooks),
      units: () => readUnits(unitNames),
      rulesetFiles: readRulesetFiles,
      clock: () => readClock(own.files),
    };
  }

  look<Name extends keyof HostFacts>(name: Name): Promise<HostFacts[Name]> {
    return this.#lookers[name]();
  }
}

const unitNames = [
  "virtwall.service",
  "virtwall-early.service",
  "virtwall-gate.service",
  "libvirtd.service",
  "virtqemud.service",
  "virtnetworkd.service",
  "virtlxcd.service",
  "nftables.service",
  "firewalld.service",
  "netfilter-persistent.service",
  "iptables.service",
  "ip6tables.service",
] as const;

const generalSettings = [
  "net/ipv4/ip_forward",
  "net/ipv4/ip_local_port_range",
  "net/ipv4/ip_local_reserved_ports",
  "net/bridge/bridge-nf-call-iptables",
  "net/bridge/bridge-nf-call-ip6tables",
  "net/bridge/bridge-nf-call-arptables",
  "net/netfilter/nf_conntrack_count",
  "net/netfilter/nf_conntrack_max",
  "net/netfilter/nf_conntrack_buckets",
] as const;

async function readAllSettings(): Promise<HostFacts["settings"]> {
  const [names4, names6] = await Promise.all([
    readdir("/proc/sys/net/ipv4/conf"),
    // Absent where the kernel has no IPv6.
    readdir("/proc/sys/net/ipv6/conf").catch(() => []),
  ]);
  const ofIpv4 = names4.flatMap((name) =>
    ["forwarding", "rp_filter", "arp_ignore"].map((key) => `net/ipv4/conf/${name}/${key}`),
  );
  const ofIpv6 = names6.flatMap((name) =>
    ["forwarding", "accept_ra", "disable_ipv6"].map((key) => `net/ipv6/conf/${name}/${key}`),
  );
  return readSettings([...generalSettings, ...ofIpv4, ...ofIpv6]);
}

async function readFirewalld(): Promise<HostFacts["firewalld"]> {
  const bus = new FirewalldBus();
  try {
    return await bus.read();
  } finally {
    bus.close();
  }
}

async function readRulesetFiles(): Promise<readonly SourceText[]> {
  const single = ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/ufw/ufw.conf"];
  const folders = await Promise.all(
    ["/etc/nftables", "/etc/nftables.d"].map(async (folder) => [
      ...(await readFolder(folder, ".nft")),
      ...(await readFolder(folder, ".conf")),
    ]),
  );
  return [...single.flatMap((file) => readText(file) ?? []), ...folders.flat()];
}

const datedFolders = ["/var/lib/libvirt/dnsmasq", defaultHooksFolder] as const;

async function readClock(own: readonly string[]): Promise<ClockFacts> {
  const listed = await Promise.all(
    datedFolders.map(async (folder) =>
      (await readdir(folder).catch(() => [])).map((name) => join(folder, name)),
    ),
  );
  const files = [...own, ...listed.flat()].toSorted();
  const times = await Promise.all(
    files.map(async (file) => ({
      file,
      changedAt: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  return { now: Date.now(), files: times };
}

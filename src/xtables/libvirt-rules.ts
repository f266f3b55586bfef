import { planRemoval, type Removal } from "./removal.ts";
import type { SavedChain, SavedRule, SavedTable } from "./save.ts";

/** Chains of libvirt's iptables backend (libvirt 11.3 network_iptables.c), by table. */
const chains: Readonly<Record<string, ReadonlySet<string>>> = {
  filter: new Set(["LIBVIRT_INP", "LIBVIRT_OUT", "LIBVIRT_FWX", "LIBVIRT_FWI", "LIBVIRT_FWO"]),
  nat: new Set(["LIBVIRT_PRT"]),
  mangle: new Set(["LIBVIRT_PRT"]),
};

export interface LibvirtRemoval extends Removal {
  /** Rules in libvirt's chains that are none of libvirt's: they stay, and their chains with them. */
  readonly left: readonly string[];
}

/**
 * What libvirt's iptables backend leaves behind when another backend takes over: 11.3 removes its rules, and its chains and the jumps
 * to them stay. Where it has lost track of its rules they go by their shape.
 */
export function planLibvirtRemoval(tables: readonly SavedTable[]): LibvirtRemoval {
  const own = tables.flatMap((table) =>
    table.chains.map((chain) => ({ table: table.name, chain })),
  );
  const left = own
    .filter(({ table, chain }) => isLibvirtChain(table, chain.name))
    .flatMap(({ chain }) => strangersIn(chain));
  const removal = planRemoval(tables, {
    isRule: (rule, { table, chain }) => isLibvirtChain(table, chain) && isLibvirtRule(rule),
    isChain: (chain) => Object.values(chains).some((names) => names.has(chain)),
  });
  return { ...removal, left };
}

function isLibvirtChain(table: string, chain: string): boolean {
  return chains[table]?.has(chain) === true;
}

function strangersIn(chain: SavedChain): readonly string[] {
  return chain.rules
    .filter((rule) => !isLibvirtRule(rule))
    .map(({ text }) => `-A ${chain.name} ${text}`);
}

const network = String.raw`(?:! )?-[sd] [0-9a-f.:]+/\d+`;
const device = String.raw`-[io] \S+`;
const ports = String.raw`-p (?:tcp|udp) -m (?:tcp|udp) --dport (?:53|67|68|69|546|547)`;
const state = "-m conntrack --ctstate RELATED,ESTABLISHED";
const filterEnd = String.raw`-j (?:ACCEPT|REJECT --reject-with \S+|CHECKSUM --checksum-fill)`;
const natEnd = String.raw`(?:-p (?:tcp|udp) )?-j (?:RETURN|MASQUERADE(?: --to-ports \d+-\d+)?|SNAT --to-source \S+)`;
const shapes: readonly RegExp[] = [
  new RegExp(`^(?:${network} )?(?:${device} ){1,2}(?:${ports} |${state} )?${filterEnd}$`),
  new RegExp(`^${network} (?:${network} )?(?:${device} )?${natEnd}$`),
];

function isLibvirtRule({ text }: SavedRule): boolean {
  return shapes.some((shape) => shape.test(text));
}

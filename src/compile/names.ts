import { hash } from "../base/hash.ts";
import type { Family } from "../base/address.ts";

/** Every name that virtwall puts into the kernel is made here. They are interface: docs/nft.md lists them. */

export const tableName = "virtwall";

/** Just before everybody else's filter chains, so that our verdict is there when theirs ask (nft(8): filter is 0). */
export const filterPriority = -5;
/** Just before everybody else's dstnat (-100) and srcnat (100): the first nat chain that matches wins. */
export const dstnatPriority = -105;
export const srcnatPriority = 95;

/** The tables of one run of `virtwall trace`, and their chains: gone with the run. */
export const traceTable = (pid: number) => `${tableName}-trace-${pid}`;
export const isTraceTable = (name: string) => name.startsWith(`${tableName}-trace-`);
export const traceChains = {
  turnOn: "turn_on",
  pick: "pick",
  pickTracked: "pick_tracked",
  endInput: "end_input",
  endPostrouting: "end_postrouting",
} as const;

export const aliasSet = (alias: string, family: Family) => `alias_${alias}${family}`;
export const groupSet = (group: string, family: Family) => `group_${group}${family}`;
export const publishMap = (family: Family) => `publish${family}`;
export const publishRangesMap = (family: Family) => `publish${family}_ranges`;
export const admitMap = (family: Family) => `admit${family}`;
export const admitRangesMap = (family: Family) => `admit${family}_ranges`;

/** The chain of guests that are in exactly these groups. A `/` stands in no group's name, so two lists never share a name. */
export const ingressChain = (groups: readonly string[]) => shorten(`ingress/${groups.join("/")}`);
export const egressChain = (groups: readonly string[]) => shorten(`egress/${groups.join("/")}`);

/** The chain that admits exactly these peers; `peers` is their canonical text. */
export const fromChain = (peers: string) => `from/${hash(peers)}`;

/**
 * The chains of one shape of a filter: the root, or with `chain` one of libvirt's chains in it. Filters have any name; what nft cannot
 * have in one is left out, and a hash tells such names apart.
 */
export function filterChain(direction: "from" | "to", shape: ShapeName, chain?: string): string {
  const inner = chain === undefined ? "" : `/${cleanName(chain)}`;
  const room = longestName - `${direction}/${inner}`.length;
  return `${direction}/${shapeName(shape, room)}${inner}`;
}

function shapeName({ filter, tag }: ShapeName, room: number): string {
  const clean = filter.replaceAll(/[^A-Za-z0-9_.-]/g, "");
  if (clean === filter && tag === "" && clean.length <= room) return clean;
  const tail = shortHash(JSON.stringify([filter, tag]));
  return `${clean.slice(0, room - tail.length - 1)}.${tail}`;
}

/** libvirt's chains may have a colon in their name. */
function cleanName(chain: string): string {
  return chain.includes(":")
    ? `${chain.replaceAll(":", "").slice(0, 3)}.${shortHash(chain)}`
    : chain;
}

/** The chain of what a filter says of packets. `packets` begins no name of a chain in libvirt. */
export function packetChain(direction: "from" | "to", shape: ShapeName): string {
  return filterChain(direction, shape, "packets");
}

/** `tag` is empty where the filter's variables are all given one by one, and tells other shapes of it apart. */
export interface ShapeName {
  readonly filter: string;
  readonly tag: string;
}

/** The set of what nics' bindings give to variables; `detail` is empty for a plain one. */
export function variableSet(
  variables: readonly string[],
  types: readonly string[],
  detail: string,
) {
  const name = `${variables.join("-")}/${types.map((type) => type.replace("_addr", "")).join(".")}`;
  return shorten(`var/${name}${detail === "" ? "" : `.${shortHash(detail)}`}`);
}

/** The chain and the set of what counts connections for one rule; `counted` says which. */
export const connectionCount = (counted: string) => `over/${hash(counted)}`;

const shortHash = (text: string) => hash(text).slice(0, 8);

/** nft 1.0.6 prints names of any length, but tools in front of it cut at 31 bytes. */
const longestName = 31;

function shorten(name: string): string {
  if (name.length <= longestName) return name;
  const tail = hash(name);
  return `${name.slice(0, longestName - tail.length - 1)}.${tail}`;
}

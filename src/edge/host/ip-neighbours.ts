import { compareAddresses, familyOf, parseAddress } from "../../base/address.ts";
import { parseInterfaceName } from "../../base/interface-name.ts";
import { parseMac } from "../../base/mac.ts";
import type { Neighbour } from "../../model/inventory.ts";
import { runIp } from "./run-ip.ts";
import { watchChild } from "./watch-child.ts";

/** The part of `ip -s -j neigh show` (iproute2 6.1) that is used. */
interface IpNeighbour {
  readonly dst?: string;
  readonly dev?: string;
  readonly lladdr?: string;
  /** Seconds since the other end last proved that it is there. */
  readonly confirmed?: number;
  readonly state?: readonly string[];
}

interface Aged extends Neighbour {
  readonly confirmedAgo: number;
}

/** The other states say that nobody answered, or that nobody was asked. */
const livingStates: readonly string[] = ["REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT"];

/** Who answers for which address beside the interfaces of this namespace, as the kernel remembers it. */
export async function readNeighbours(): Promise<readonly Neighbour[]> {
  const rows = await runIp<IpNeighbour>(["-s", "neigh", "show"]);
  return rows
    .flatMap(readRow)
    .toSorted(inOrder)
    .map(({ bridge, mac, address }) => ({ bridge, mac, address }));
}

/** The function returned ends it. */
export function watchNeighbours(listener: () => void): () => void {
  return watchChild({ command: "ip", args: ["-o", "monitor", "neigh"], onChange: listener });
}

function readRow(row: IpNeighbour): Aged[] {
  const bridge = parseInterfaceName(row.dev ?? "");
  const mac = parseMac(row.lladdr ?? "");
  const address = parseAddress(row.dst ?? "");
  if (!bridge || !mac || !address) return [];
  if (row.state?.some((state) => livingStates.includes(state)) !== true) return [];
  return [{ bridge, mac, address, confirmedAgo: row.confirmed ?? 0 }];
}

/** IPv6 nics have several addresses that are confirmed in turn: those stand in an order of their own. */
function inOrder(a: Aged, b: Aged): number {
  const family = familyOf(a.address) - familyOf(b.address);
  const age = familyOf(a.address) === 4 ? a.confirmedAgo - b.confirmedAgo : 0;
  const places = `${a.bridge} ${a.mac}`;
  const other = `${b.bridge} ${b.mac}`;
  const place = places < other ? -1 : places > other ? 1 : 0;
  return place || family || age || compareAddresses(a.address, b.address);
}

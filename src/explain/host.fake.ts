import type { Host } from "./host.ts";
import { outsiderOf } from "./outsider.ts";

/** A host without anything of its own, that sends all it gets out by `out`. */
export const plainHost: Host = {
  clock: { seconds: 0, zones: [0] },
  interfaces: new Map(),
  fib: () => "unknown",
  route: () => ({ kind: "unicast", dev: "out" }),
  forwards: () => true,
  refuses: () => undefined,
  outsider: (family) => outsiderOf(family, []),
  behind: () => undefined,
  isSilent: () => false,
  heardOf: () => [],
  hears: () => true,
  reads: () => false,
  detached: () => undefined,
  filtersBridged: () => false,
  bridgeOf: () => undefined,
  segmentOf: () => undefined,
  peerOf: () => undefined,
  macvtapOn: () => undefined,
  portsOf: () => [],
  portTo: () => undefined,
  neighbour: () => undefined,
};

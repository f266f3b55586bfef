import type { BaseChain, TableFamily } from "./ast.ts";

interface NamedPriority {
  readonly name: string;
  readonly value: number;
  /** Hooks where nft 1.0.6 knows the name; absent: all. */
  readonly hook?: BaseChain["hook"];
}

const names: readonly NamedPriority[] = [
  { name: "raw", value: -300 },
  { name: "mangle", value: -150 },
  { name: "dstnat", value: -100, hook: "prerouting" },
  { name: "filter", value: 0 },
  { name: "security", value: 50 },
  { name: "srcnat", value: 100, hook: "postrouting" },
];

const bridgeNames: readonly NamedPriority[] = [
  { name: "dstnat", value: -300, hook: "prerouting" },
  { name: "filter", value: -200 },
  { name: "out", value: 100, hook: "output" },
  { name: "srcnat", value: 300, hook: "postrouting" },
];

const filterOnly: readonly NamedPriority[] = [{ name: "filter", value: 0 }];

/** nft writes a priority as a name with an offset up to this far from the name. */
const reach = 10;

/** A priority as nft 1.0.6 lists it: `filter - 5`, `dstnat`, or the number where no name is near. */
export function printPriority(
  family: TableFamily,
  { hook, priority }: Pick<BaseChain, "hook" | "priority">,
): string {
  const near = namesOf(family).find(
    (name) =>
      Math.abs(priority - name.value) <= reach && (name.hook === undefined || name.hook === hook),
  );
  if (near === undefined) return String(priority);
  const offset = priority - near.value;
  if (offset === 0) return near.name;
  return `${near.name} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
}

function namesOf(family: TableFamily): readonly NamedPriority[] {
  if (family === "bridge") return bridgeNames;
  return family === "arp" || family === "netdev" ? filterOnly : names;
}

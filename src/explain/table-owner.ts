import type { Table } from "../nft/ast.ts";
import { tableMakerOf } from "../nft/table-maker.ts";
import { legacyMark } from "./iptables-tables.ts";

/** Chains that programs make in the tables of iptables, by the beginning of their names. */
const chainOwners: readonly (readonly [beginning: string, owner: string])[] = [
  ["LIBVIRT_", "libvirt"],
  ["DOCKER", "Docker"],
  ["ufw", "ufw"],
];

const iptablesTables = new Set(["filter", "nat", "mangle", "raw", "security"]);

/** Who made a chain, as far as its names tell. */
export function ownerOf({ family, name: shown, chains }: Table, chain: string): string {
  const name = shown.replace(legacyMark, "");
  if (name === "virtwall") return name;
  const program = tableMakerOf(name);
  if (program !== undefined) return program === "docker" ? "Docker" : program;
  const maker = chainOwners.find(([beginning]) => chain.startsWith(beginning));
  if (maker !== undefined) return maker[1];
  // iptables writes the names of its own chains in capitals.
  const isIptables =
    family !== "inet" &&
    iptablesTables.has(name) &&
    chains.some((each) => /^[A-Z]+$/.test(each.name));
  return isIptables ? "iptables" : "the admin";
}

import { printColumns } from "./columns.ts";
import type { GuestView, NetworkView, Topology } from "./topology-view.ts";

/** For a terminal: a network after the other, its guests below it. */
export function printTopology({ uplinks, networks, elsewhere, firewalls }: Topology): string {
  const ways = uplinks.map(({ name, addresses }) => [name, addresses.join(", ")]);
  const others = elsewhere.flatMap(guestRows);
  return [
    section("uplinks", ways),
    ...networks.map((network) => section(titleOf(network), network.guests.flatMap(guestRows))),
    ...(others.length === 0 ? [] : [section("in no network", others)]),
    firewalls === null
      ? "other firewalls: for root and the group virtwall to see\n"
      : section(
          "other firewalls",
          firewalls.map(({ name, state }) => [name, state]),
        ),
  ].join("\n");
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return `${printColumns([[title]], "")}${rows.length === 0 ? "  none\n" : printColumns(rows)}`;
}

/** Its name, and what is to be known of all its guests. */
export function titleOf(network: NetworkView): string {
  return [`network ${network.name}`, ...describeNetwork(network)].join(", ");
}

export function describeNetwork(network: NetworkView): readonly string[] {
  const { mode, bridge, prefixes, nat, isIsolated, reach } = network;
  return [
    nat === undefined ? mode : `${mode} from ${nat}`,
    bridge,
    ...prefixes,
    ...(isIsolated ? ["guests kept apart"] : []),
    ...(reach.length === 0 ? [] : [`reaches ${reach.join(" and ")}`]),
  ];
}

function guestRows({ name, groups, nics, publications }: GuestView): string[][] {
  const rows = nics.map(({ tap, mac, addresses, filter }) => [
    tap ?? mac,
    addresses.length === 0 ? "no address" : addresses.join(", "),
    filter === undefined ? "" : `filter ${filter}`,
  ]);
  const [first = [], ...others] = rows;
  const group = groups.length === 0 ? "" : `groups ${groups.join(", ")}`;
  return [
    [name, ...first, group],
    ...others.map((row) => ["", ...row, ""]),
    ...publications.map((publication) => ["", "published", publication, "", ""]),
  ];
}

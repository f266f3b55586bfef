import { escapeControls } from "../base/quote.ts";
import { describeNetwork } from "./print-topology.ts";
import type { GuestView, Topology } from "./topology-view.ts";

/** A flowchart for whatever draws Mermaid, such as a page in Markdown. */
export function printMermaid({ uplinks, networks, elsewhere, firewalls }: Topology): string {
  const lines = ["flowchart LR", '  world(["world"])'];
  for (const [index, { name, addresses }] of uplinks.entries()) {
    lines.push(`  ${node(`u${index}`, [name, ...addresses])}`, `  world --- u${index}`);
  }
  const indexOf = new Map(networks.map(({ name }, index) => [name, index]));
  for (const [index, network] of networks.entries()) {
    lines.push(`  subgraph ${node(`n${index}`, [network.name, ...describeNetwork(network)])}`);
    if (network.guests.length === 0) lines.push(`    ${node(`n${index}none`, ["no guest"])}`);
    for (const [number, guest] of network.guests.entries()) {
      lines.push(`    ${node(`n${index}g${number}`, describeGuest(guest))}`);
    }
    lines.push("  end");
    if (network.mode !== "isolated") {
      for (const at of uplinks.keys()) lines.push(`  u${at} --- n${index}`);
    }
    for (const other of network.reach) {
      lines.push(`  n${index} -. reaches .-> n${indexOf.get(other) ?? index}`);
    }
    for (const [number, { publications }] of network.guests.entries()) {
      for (const publication of publications) {
        lines.push(`  world -- ${quoted([publication])} --> n${index}g${number}`);
      }
    }
  }
  for (const [number, guest] of elsewhere.entries()) {
    lines.push(`  ${node(`e${number}`, describeGuest(guest))}`);
  }
  for (const [number, { name, state }] of (firewalls ?? []).entries()) {
    lines.push(`  ${node(`f${number}`, ["other firewall", name, state])}`);
  }
  return `${lines.join("\n")}\n`;
}

/** All but what the picture draws as an arrow. */
function describeGuest({ name, groups, nics }: GuestView): readonly string[] {
  return [
    name,
    ...nics.flatMap(({ tap, mac, addresses, filter }) => [
      `${tap ?? mac} ${addresses.length === 0 ? "no address" : addresses.join(" ")}`,
      ...(filter === undefined ? [] : [`filter ${filter}`]),
    ]),
    ...(groups.length === 0 ? [] : [`groups ${groups.join(", ")}`]),
  ];
}

function node(id: string, lines: readonly string[]): string {
  return `${id}[${quoted(lines)}]`;
}

/** Mermaid takes HTML and Markdown in a label, so whatever could be either is written as `#code;`, its own form of an entity. */
function quoted(lines: readonly string[]): string {
  const safe = lines.map((line) =>
    escapeControls(line).replaceAll(
      /[^A-Za-z0-9 .:/,()'-]/gu,
      (char) => `#${char.codePointAt(0) ?? 0};`,
    ),
  );
  return `"${safe.join("<br/>")}"`;
}

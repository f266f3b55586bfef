import { escapeControls } from "../base/quote.ts";
import { describeNetwork } from "./print-topology.ts";
import type { GuestView, NetworkView, Topology } from "./topology-view.ts";

/**
 * A flowchart for whatever draws Mermaid, such as a page in Markdown. Links that are not drawn (`~~~`) keep it readable, as Mermaid 12
 * draws it: guests stand in rows, and a network below the other. It leaves room for one line of a network's title alone.
 */
export function printMermaid({ uplinks, networks, elsewhere, firewalls }: Topology): string {
  const lines = ["flowchart TB", '  world(["world"])'];
  for (const [index, { name, addresses }] of uplinks.entries()) {
    lines.push(`  ${node(`u${index}`, [name, ...addresses])}`, `  world --- u${index}`);
  }
  const indexOf = new Map(networks.map(({ name }, index) => [name, index]));
  for (const [index, network] of networks.entries()) {
    lines.push(...printNetwork(network, `n${index}`));
    if (index > 0) lines.push(`  n${index - 1} ~~~ n${index}`);
    if (network.mode !== "isolated") {
      for (const at of uplinks.keys()) lines.push(`  u${at} --- n${index}`);
    }
    for (const other of network.reach) {
      lines.push(`  n${index} -. reaches .-> n${indexOf.get(other) ?? index}`);
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

const boxesInRow = 5;

/** What is to be known of all its guests, and the guests. */
function printNetwork(network: NetworkView, id: string): string[] {
  const { name, guests } = network;
  const boxes = [
    node(`${id}about`, describeNetwork(network)),
    ...(guests.length === 0 ? [node(`${id}none`, ["no guest"])] : []),
    ...guests.map((guest, number) => node(`${id}g${number}`, describeGuest(guest))),
  ];
  const rows = Array.from({ length: Math.ceil(boxes.length / boxesInRow) }, (_, row) =>
    boxes.slice(row * boxesInRow, (row + 1) * boxesInRow).join(" ~~~ "),
  );
  return [
    `  subgraph ${node(id, [name])}`,
    ...["direction LR", ...rows].map((row) => `    ${row}`),
    "  end",
  ];
}

function describeGuest({ name, groups, nics, publications }: GuestView): readonly string[] {
  return [
    name,
    ...nics.flatMap(({ tap, mac, addresses, filter }) => [
      `${tap ?? mac} ${addresses.length === 0 ? "no address" : addresses.join(" ")}`,
      ...(filter === undefined ? [] : [`filter ${filter}`]),
    ]),
    ...(groups.length === 0 ? [] : [`groups ${groups.join(", ")}`]),
    ...publications.map((publication) => `published ${publication}`),
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

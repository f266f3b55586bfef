import { shellWord } from "../base/shell-word.ts";
import type { Rule } from "../nft/ast.ts";
import { printRule } from "../nft/print-statement.ts";
import { guestKey, guestWord } from "./guest-word.ts";
import { loadField } from "./load.ts";
import { type KnownNic, macBits } from "./read-host.ts";
import { addressOf, guestAt, portOf, publishCommand, serviceOf, type Stop } from "./stop.ts";

/** The line of the policy that lets through what virtwall itself refuses. docs/nft.md has the names of the chains. */
export function fixOwnRule(stop: Stop): string {
  const { last } = stop;
  if (last.table.family === "bridge") return fixOnBridge(stop);
  const rule = last.table.chains.find(({ name }) => name === last.chain)?.rules[last.index ?? -1];
  const [kind = ""] = last.chain.split("/");
  const fix = byChain[kind];
  return fix === undefined ? fixForward(stop, rule) : fix(stop);
}

const byChain: Readonly<Record<string, (stop: Stop) => string>> = {
  input: (stop) => networkLine(at(stop, "iif"), `services: [${serviceOf(stop)}]`),
  host_rules: (stop) => `host: { input: [{ allow: ${serviceOf(stop)} }] }`,
  egress: (stop) => groupLine(guestAt(stop, "saddr"), "egress", stop),
  ingress: (stop) => groupLine(guestAt(stop, "daddr"), "ingress", stop),
  from: (stop) => publicationLine(stop),
  same_network: (stop) => networkLine(at(stop, "iif"), "isolate: false"),
};

/** A nic behind the interface by which the packet came or would leave. */
function at({ last, knowledge }: Stop, end: "iif" | "oif"): KnownNic | undefined {
  const device = last.context?.[end];
  return knowledge.nics.find(
    ({ tap, bridge }) => device !== undefined && (bridge === device || tap === device),
  );
}

function fixForward(stop: Stop, rule: Rule | undefined): string {
  const text = rule === undefined ? "" : printRule(rule);
  const [from, to] = [at(stop, "iif"), at(stop, "oif")];
  if (text.includes("@one_bridge"))
    return "let the firewall guest do it: with topology firewall-vm this host sends nothing on";
  if (text.includes("@sources")) return ownAddress(stop);
  if (text.includes("tcp flags"))
    return "let its sender begin anew: the host knows nothing of this connection";
  if (text.includes("@isolated")) return networkLine(from, "mode: nat");
  if (text.includes("@confined")) {
    return openedForward(text.includes("oifname @confined") ? to : from);
  }
  const sender = guestAt(stop, "saddr");
  if (sender !== undefined && to !== undefined && sender.network !== to.network) {
    return networkLine(sender, `reach: [${to.network ?? "NETWORK"}]`);
  }
  return stop.question.protocol === "icmp" ? networkLine(to, "mode: route") : publishCommand(stop);
}

function fixOnBridge(stop: Stop): string {
  const { chain } = stop.last;
  const [from, to] = [at(stop, "iif"), at(stop, "oif")];
  if (chain === "guard") return ownAddress(stop);
  if (chain === "forward") return networkLine(from, "isolate: false");
  if (chain === "hairpin")
    return `virtwall publish add ${guestWord(from?.guest)} ${serviceOf(stop)}`;
  const isFilter = /^(from|to)\//.test(chain) || chain === "unfiltered";
  const filter = (chain.startsWith("from/") ? from : (to ?? from))?.filter;
  if (isFilter && filter !== undefined)
    return fixFiltered(stop, from) ?? `virtwall nwfilter edit ${filter}`;
  // A tap that no guest's XML names.
  return "virtwall apply";
}

/** For a guest that goes by what its binding does not say. */
function fixFiltered(stop: Stop, from: KnownNic | undefined): string | undefined {
  if (from === undefined || !stop.last.chain.startsWith("from/")) return undefined;
  const { guest, mac, addresses } = from;
  const sender = loadField("ether", "saddr", stop);
  if (typeof sender === "bigint" && sender !== macBits(mac)) {
    return `in ${guestWord(guest)}: ip link set dev IFACE address ${mac}`;
  }
  const address = addressOf(stop, "saddr");
  if (address === undefined || addresses.includes(address)) return undefined;
  return `guests: { ${guestKey(guest)}: { nics: { "${mac}": { parameters: { IP: [${address}] } } } } }`;
}

function networkLine(nic: KnownNic | undefined, line: string): string {
  return `networks: { ${nic?.network ?? "NETWORK"}: { ${line} } }`;
}

/** libvirt has it from the network's XML alone. */
function openedForward(nic: KnownNic | undefined): string {
  const network = shellWord(nic?.network ?? "NETWORK");
  return `virsh net-edit ${network}: take the interface out of <forward>`;
}

function groupLine(nic: KnownNic | undefined, way: "ingress" | "egress", stop: Stop): string {
  const group = nic?.groups?.[0] ?? "GROUP";
  return `groups: { ${group}: { ${way}: [{ allow: ${serviceOf(stop)} }] } }`;
}

function ownAddress(stop: Stop): string {
  const address = addressOf(stop, "saddr") ?? "ADDRESS";
  const nic = at(stop, "iif");
  return `guests: { ${guestKey(nic?.guest)}: { nics: { "${nic?.mac ?? "MAC"}": { address: ${address} } } } }`;
}

/** A publication that names who may use it. */
function publicationLine(stop: Stop): string {
  const { question } = stop;
  const guest = guestKey(guestAt(stop, "daddr")?.guest);
  const port = `${question.protocol}/${String(question.port)}`;
  const inside = portOf(stop, "dport");
  const ports =
    inside === undefined || inside === question.port ? port : `${port}:${String(inside)}`;
  const source = addressOf(stop, "saddr") ?? "any";
  return `guests: { ${guest}: { publish: [{ ports: ${ports}, from: [${source}] }] } }`;
}

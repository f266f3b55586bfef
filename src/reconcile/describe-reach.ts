import type { PortRange } from "../base/port.ts";
import type { Intent, NatIntent, NetworkIntent, PublicationIntent } from "../model/intent.ts";
import type { Peer, Service } from "../model/policy.ts";

/** Who reaches whom, by question: what it answers is what changes for people when the intent does. */
export type Reach = ReadonlyMap<string, string>;

/** One network's part of it: its guests towards the world, the host, each other and other networks, and what is published of them. */
export function describeReach(intent: Intent, name: string): Reach {
  const network = intent.networks.find((candidate) => candidate.name === name);
  if (network === undefined) return new Map();
  const judged = network.mode !== "open" && network.mode !== "bridge";
  const self = `guests of ${name}`;
  const others = intent.networks.filter((other) => other !== network && other.mode !== "bridge");
  const addresses = new Set(
    intent.nics
      .filter((nic) => nic.bridge === network.bridge)
      .flatMap((nic) => nic.addresses.map(({ address }) => address)),
  );
  return new Map([
    [`${self} to the outside`, judged ? outwards(network) : "not judged by virtwall"],
    [`the outside to ${self}`, judged ? inwards(network) : "not judged by virtwall"],
    [`${self} among themselves`, network.isolate ? "no" : "yes"],
    [`${self} to this host`, judged ? hostServices(network) : "not judged by virtwall"],
    ...others.flatMap((other): (readonly [string, string])[] => [
      [`${self} to guests of ${other.name}`, between(network, other)],
      [`guests of ${other.name} to ${self}`, between(other, network)],
    ]),
    ...intent.publications
      .filter((publication) => addresses.has(publication.guestAddress))
      .map(describePublication),
  ]);
}

/** The questions that are answered otherwise, in words. */
export function compareReach(before: Reach, after: Reach): readonly string[] {
  const questions = new Set([...before.keys(), ...after.keys()]);
  return [...questions]
    .filter((question) => before.get(question) !== after.get(question))
    .map(
      (question) =>
        `${question}: ${before.get(question) ?? "nothing"} before, ${after.get(question) ?? "nothing"} after`,
    );
}

function outwards({ mode, nat4, nat6, subnets, worldBy }: NetworkIntent): string {
  if (mode === "isolated" || worldBy?.length === 0) return "no";
  const families = [4, 6] as const;
  const parts = families
    .filter((family) => subnets.length === 0 || subnets.some((s) => s.family === family))
    .map((family) => `IPv${family} ${sources(family === 4 ? nat4 : nat6)}`);
  return `yes${byInterface(worldBy)}, ${parts.join(", ")}`;
}

function sources(nat: NatIntent | undefined): string {
  if (nat === undefined) return "from its own addresses";
  const { addresses, ports } = nat;
  const range = addresses && `${addresses.first}-${addresses.last}`;
  const address = addresses?.first === addresses?.last ? addresses?.first : range;
  return `from ${address ?? "the uplink's address"}, ports ${formatPorts(ports)}`;
}

function inwards({ mode, worldBy }: NetworkIntent): string {
  if (mode !== "route" || worldBy?.length === 0) return "publications only";
  return `yes${byInterface(worldBy)}, as their groups say`;
}

function byInterface(worldBy: NetworkIntent["worldBy"]): string {
  return worldBy === undefined ? "" : `, by ${worldBy.join(", ")} alone`;
}

function hostServices({ services }: NetworkIntent): string {
  return ["DHCP", "DNS", "TFTP", "ICMP", ...services.map(formatService)].join(", ");
}

function between(from: NetworkIntent, to: NetworkIntent): string {
  if (from.reach.includes(to.bridge)) return "yes";
  return from.mode === "open" && to.mode === "open" ? "not judged by virtwall" : "no";
}

function describePublication(publication: PublicationIntent): readonly [string, string] {
  const { address, protocol, guestAddress, guestPorts, from } = publication;
  const peers = from.length === 0 ? "anybody" : from.map(formatPeer).join(", ");
  return [
    `${protocol} ${address} port ${formatPorts(publication.public)}`,
    `leads to ${guestAddress} port ${formatPorts(guestPorts)}, for ${peers}`,
  ];
}

function formatPeer(peer: Peer): string {
  switch (peer.kind) {
    case "alias":
      return peer.name;
    case "group":
      return `group:${peer.name}`;
    case "prefix":
      return `${peer.prefix.address}/${peer.prefix.length}`;
    default:
      return peer.kind;
  }
}

function formatService(service: Service): string {
  switch (service.kind) {
    case "ports":
      return `${service.protocol}/${formatPorts(service.ports)}`;
    case "protocol":
      return service.protocol;
    case "any":
      return "everything";
  }
}

function formatPorts({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

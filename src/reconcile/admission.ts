import { prefixContains, type Address, type Prefix } from "../base/address.ts";
import { defined } from "../base/defined.ts";
import type { InterfaceName } from "../base/interface-name.ts";
import { PrefixMap } from "../base/prefix-map.ts";
import { remembered } from "../base/remembered.ts";
import type { Flow } from "../model/flow.ts";
import type { NetworkIntent, NicIntent, PublicationIntent } from "../model/intent.ts";
import type { Alias, GroupRule, Peer, Service } from "../model/policy.ts";
import type { Desired } from "./decide.ts";
import { PublishedPorts } from "./published.ts";

interface Standing {
  readonly nic?: NicIntent;
  /** Absent: outside of the guests' networks. */
  readonly network?: NetworkIntent;
  readonly isHost: boolean;
  /** By which interface its packets come, where that is asked. */
  readonly entry?: InterfaceName;
}

/**
 * What a policy says of a flow that would begin now: the rules of the compile room (lower-filter.ts, lower-groups.ts) asked of a
 * whole flow instead of a packet. In doubt a flow is admitted.
 */
export class Admission {
  readonly #desired: Pick<Desired, "inventory" | "compiled">;
  readonly #ports: PublishedPorts<PublicationIntent>;
  readonly #hostAddresses: ReadonlySet<Address>;
  readonly #networks: ReadonlyMap<string, NetworkIntent>;
  readonly #nics: ReadonlyMap<Address, NicIntent>;
  /** Addresses of groups' members. */
  readonly #members = new Map<string, Set<Address>>();
  readonly #standings = new Map<Address, Standing>();

  constructor(desired: Pick<Desired, "inventory" | "compiled">) {
    this.#desired = desired;
    const { intent } = desired.compiled;
    this.#ports = new PublishedPorts(intent.publications);
    this.#networks = new Map(intent.networks.map((network) => [network.bridge, network]));
    this.#nics = new Map(
      intent.nics.flatMap((nic) => nic.addresses.map(({ address }) => [address, nic] as const)),
    );
    const { networks, host } = desired.inventory;
    this.#hostAddresses = new Set([
      ...host.interfaces.flatMap(({ addresses }) => addresses),
      ...networks.flatMap(({ subnets }) => subnets.map(({ gateway }) => gateway)),
    ]);
    for (const { groups, addresses } of intent.nics) {
      for (const group of groups) {
        const members = this.#members.get(group) ?? new Set();
        for (const { address } of addresses) members.add(address);
        this.#members.set(group, members);
      }
    }
  }

  /** A guest bears this address now. */
  isGuest(address: Address): boolean {
    return this.#nics.has(address);
  }

  /** The publication that led the flow where it leads. */
  publication(flow: Flow): PublicationIntent | undefined {
    return this.#ports.leading(flow);
  }

  /** Whether a publication leads the flow where it goes, and lets its source in. */
  admitsPublished(flow: Flow): boolean {
    const publication = this.#ports.leading(flow);
    if (publication === undefined) return false;
    const { from } = publication;
    if (from.length > 0 && !this.#isAmong(from, flow.source)) return false;
    const source = this.#stand(flow.source);
    const answerer = this.#stand(flow.answerer);
    const isLockedIn = source.network?.mode === "isolated" && source.network !== answerer.network;
    return !isLockedIn && this.#groupsAdmit(flow, source.nic, answerer.nic);
  }

  /** Whether the flow may go from its source, which comes by that interface, to whoever answers it, without a publication. */
  admitsPlain(flow: Flow, entry?: InterfaceName): boolean {
    if (isLinkLocal(flow.source) || isLinkLocal(flow.answerer) || isDhcp(flow)) return true;
    const source = { ...this.#stand(flow.source), ...defined({ entry }) };
    const answerer = this.#stand(flow.answerer);
    if (source.nic?.isKeptOut === true || answerer.nic?.isKeptOut === true) return false;
    if (source.isHost) {
      return !isJudged(answerer) || this.#groupsAdmit(flow, undefined, answerer.nic);
    }
    if (answerer.isHost) return this.#hostAdmits(flow, source);
    if (source.network === undefined && answerer.network === undefined) return true;
    return (
      this.#networksAdmit(source, answerer) &&
      (!isEitherJudged(source, answerer) || this.#groupsAdmit(flow, source.nic, answerer.nic))
    );
  }

  /** Where one of the interfaces is there by which a network meets the world, it may be the flow's way. */
  #networksAdmit(source: Standing, answerer: Standing): boolean {
    if (!networksAdmit(source, answerer)) return false;
    const [from, to] = [routedNetwork(source), routedNetwork(answerer)];
    if (from !== undefined && to !== undefined) return true;
    const { worldBy } = from ?? to ?? {};
    const { interfaces } = this.#desired.inventory.host;
    return worldBy === undefined || interfaces.some(({ name }) => worldBy.includes(name));
  }

  #hostAdmits(flow: Flow, source: Standing): boolean {
    const { hostInput } = this.#desired.compiled.intent;
    if (!isJudged(source)) return hostInput === undefined || this.#inputAdmits(flow, source);
    if (!this.#groupsAdmit(flow, source.nic, undefined)) return false;
    return isServed(flow, source.network) || this.#inputAdmits(flow, source);
  }

  /** By the rules of `host.input`. */
  #inputAdmits(flow: Flow, source: Standing): boolean {
    const { hostInput = [] } = this.#desired.compiled.intent;
    const applying = hostInput.filter(
      ({ rule: { services, peers } }) =>
        isMeant(services, flow) && (peers.length === 0 || this.#isAmong(peers, flow.source)),
    );
    const entries = this.#entries(source);
    const isDenied = applying.some(
      ({ rule, interfaces }) =>
        rule.verdict === "deny" &&
        rule.limit === undefined &&
        (interfaces === undefined || entries.every((name) => interfaces.includes(name))),
    );
    const isAllowed = applying.some(
      ({ rule, interfaces }) =>
        rule.verdict === "allow" &&
        (interfaces === undefined || entries.some((name) => interfaces.includes(name))),
    );
    return isAllowed && !isDenied;
  }

  /** The interfaces by which its packets may come. */
  #entries({ network, entry }: Standing): readonly InterfaceName[] {
    if (entry !== undefined) return [entry];
    if (network !== undefined) return [network.bridge];
    const { interfaces } = this.#desired.inventory.host;
    return interfaces.filter(({ hasDefaultRoute }) => hasDefaultRoute).map(({ name }) => name);
  }

  #stand(address: Address): Standing {
    const known = this.#standings.get(address);
    if (known !== undefined) return known;
    const standing = this.#findStanding(address);
    this.#standings.set(address, standing);
    return standing;
  }

  #findStanding(address: Address): Standing {
    const nic = this.#nics.get(address);
    const named = nic?.bridge === undefined ? undefined : this.#networks.get(nic.bridge);
    const network =
      named ??
      this.#desired.compiled.intent.networks.find(({ subnets }) =>
        subnets.some((subnet) => prefixContains(subnet, address)),
      );
    return {
      ...(nic !== undefined && { nic }),
      ...(network !== undefined && { network }),
      isHost: nic === undefined && this.#hostAddresses.has(address),
    };
  }

  #groupsAdmit(flow: Flow, source?: NicIntent, answerer?: NicIntent): boolean {
    return (
      this.#directionAdmits("egress", source, [flow, flow.answerer]) &&
      this.#directionAdmits("ingress", answerer, [flow, flow.source])
    );
  }

  #directionAdmits(
    direction: "ingress" | "egress",
    nic: NicIntent | undefined,
    [flow, peer]: readonly [Flow, Address],
  ): boolean {
    const { groups } = this.#desired.compiled.intent;
    const rules = (nic?.groups ?? []).flatMap((name) => groups.get(name)?.[direction] ?? []);
    const applies = (rule: GroupRule) =>
      isMeant(rule.services, flow) && (rule.peers.length === 0 || this.#isAmong(rule.peers, peer));
    const isDenied = rules.some(
      (rule) => rule.verdict === "deny" && rule.limit === undefined && applies(rule),
    );
    const allowed = rules.filter(({ verdict }) => verdict === "allow");
    return !isDenied && (allowed.length === 0 || allowed.some(applies));
  }

  #isAmong(peers: readonly Peer[], address: Address): boolean {
    const { prefixes, others } = sorted(peers);
    if (prefixes.holding(address).length > 0) return true;
    return others.some((peer) => {
      switch (peer.kind) {
        case "any":
          return true;
        case "host":
          return this.#hostAddresses.has(address);
        case "group":
          return this.#members.get(peer.name)?.has(address) ?? false;
        case "alias": {
          const alias = this.#desired.compiled.intent.aliases.get(peer.name);
          return alias !== undefined && membersOf(alias).holding(address).length > 0;
        }
      }
    });
  }
}

/** Of thousands of prefixes the one that holds an address is looked up. */
const sorted = remembered((peers: readonly Peer[]) => ({
  prefixes: mapOf(peers.flatMap((peer) => (peer.kind === "prefix" ? [peer.prefix] : []))),
  others: peers.flatMap((peer) => (peer.kind === "prefix" ? [] : [peer])),
}));
const membersOf = remembered(({ members }: Pick<Alias, "members">) => mapOf(members));

function mapOf(prefixes: readonly Prefix[]): PrefixMap<Prefix> {
  return new PrefixMap(prefixes.map((prefix) => [prefix, prefix]));
}

function isJudged({ network }: Standing): boolean {
  return network !== undefined && network.mode !== "open" && network.mode !== "bridge";
}

/** Groups are asked wherever the forward chain ends in `judge`. */
function isEitherJudged(source: Standing, answerer: Standing): boolean {
  return isJudged(source) || isJudged(answerer) || source.network === answerer.network;
}

/** Both ends' networks, in the order of the forward chain. */
function networksAdmit(source: Standing, answerer: Standing): boolean {
  const [from, to] = [routedNetwork(source), routedNetwork(answerer)];
  if (from !== undefined && from === to) return !from.isolate;
  if (from !== undefined && to !== undefined) {
    if (from.reach.includes(to.bridge)) return true;
    if (isJudged(source) || isJudged(answerer)) return false;
  }
  return from?.mode !== "isolated" && to?.mode !== "nat" && to?.mode !== "isolated";
}

/** A bridged network is the uplink's own. */
function routedNetwork({ network }: Standing): NetworkIntent | undefined {
  return network?.mode === "bridge" ? undefined : network;
}

/** What guests may ask of the host. */
function isServed(flow: Flow, network: NetworkIntent | undefined): boolean {
  if (flow.protocol === "icmp") return true;
  const { protocol, answererPort: port } = flow;
  if (port === 53 || (protocol === "udp" && port === 69)) return true;
  return (network?.services ?? []).length > 0 && isMeant(network?.services ?? [], flow);
}

function isMeant(services: readonly Service[], flow: Flow): boolean {
  return services.some((service) => {
    switch (service.kind) {
      case "any":
        return true;
      case "protocol":
        return service.protocol === flow.protocol;
      case "ports": {
        const { first, last } = service.ports;
        const port = flow.answererPort;
        return service.protocol === flow.protocol && first <= port && port <= last;
      }
    }
  });
}

function isDhcp({ protocol, port }: Flow): boolean {
  return protocol === "udp" && [67, 68, 546, 547].includes(port);
}

/** Neither between networks nor judged by them: link-local, multicast and broadcast. */
function isLinkLocal(address: Address): boolean {
  return /^(fe[89ab].:|ff..:|169\.254\.|22[4-9]\.|23\d\.|255\.)/.test(address);
}

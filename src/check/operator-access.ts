import { type Address, prefixContains } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import type { Inventory, Network } from "../model/inventory.ts";
import type { HostRule, Policy, Service } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";
import { uplinkNames } from "../model/uplinks.ts";
import { breach } from "./law.ts";

/** The TCP connection by which the operator sits at this host. */
export interface OperatorConnection {
  readonly client: Address;
  readonly server: Address;
  /** On the host. */
  readonly port: number;
}

/**
 * What would keep the operator from connecting once more as he is connected now: a publication that takes the port, `host.input`, or
 * the network of the guest at which he sits. Groups count as somebody else: who they are changes with the guests that run.
 */
export function operatorAccess(
  policy: Policy,
  inventory: Inventory,
  connection: OperatorConnection,
): Problem[] {
  const taken = [...policy.guests.values()]
    .flatMap(({ publish }) => publish)
    .filter(({ address }) => address === undefined || address === connection.server)
    .flatMap(({ ports }) => ports)
    .filter(({ protocol, public: { first, last } }) => {
      return protocol === "tcp" && first <= connection.port && connection.port <= last;
    });
  const cuts = taken.map(({ at }) => cut(at, "this publication takes the port", connection));
  return [...cuts, ...inputCuts(policy, inventory, connection)];
}

function inputCuts(
  policy: Policy,
  inventory: Inventory,
  connection: OperatorConnection,
): Problem[] {
  const { input, at, keysAt } = policy.host;
  const network = judgedNetwork(policy, inventory, connection);
  const wanted = network && policy.networks.get(network.name);
  if (wanted?.services.some((service) => holdsPort(service, connection.port))) return [];
  if (input === undefined) {
    if (network === undefined) return [];
    const what = `guests of network ${quote(network.name)} do not reach`;
    return [cut(wanted?.at ?? at, what, connection)];
  }
  const met = input.filter((rule) => meets(rule, { policy, inventory, connection }));
  const denied = met.find(({ verdict }) => verdict === "deny");
  if (denied) return [cut(denied.at, "this rule denies", connection)];
  if (met.length > 0) return [];
  return [cut(keysAt?.get("input") ?? at, "no rule of host.input allows", connection)];
}

/** Whose guests reach of the host no more than its services, where the operator comes from one of them. */
function judgedNetwork(
  { host, networks }: Policy,
  inventory: Inventory,
  { client }: OperatorConnection,
): Network | undefined {
  const uplinks: ReadonlySet<string | undefined> = uplinkNames(host, inventory.host);
  return inventory.networks.find(({ name, bridge, forward, subnets }) => {
    if (bridge === undefined || uplinks.has(bridge)) return false;
    if (forward === "bridge" || forward === "other") return false;
    const isOpen = (networks.get(name)?.mode ?? forward) === "open";
    return !isOpen && subnets.some(({ prefix }) => prefixContains(prefix, client));
  });
}

function cut(at: Problem["at"], what: string, { client, port }: OperatorConnection): Problem {
  const message = `${what} tcp/${port} by which you came from ${client}: you would not get in again`;
  const hint = "let it in, or apply with --confirm 60";
  return breach("error", "CUTS_OPERATOR", { at, message, hint });
}

interface Situation {
  readonly policy: Policy;
  readonly inventory: Inventory;
  readonly connection: OperatorConnection;
}

function meets({ services, peers, on }: HostRule, situation: Situation): boolean {
  const { policy, inventory, connection } = situation;
  const isPeer = peers.some((peer) => {
    if (peer.kind === "any") return true;
    if (peer.kind === "prefix") return prefixContains(peer.prefix, connection.client);
    const members = peer.kind === "alias" ? policy.aliases.get(peer.name)?.members : undefined;
    return members?.some((member) => prefixContains(member, connection.client)) ?? false;
  });
  const interfaces = inventory.host.interfaces
    .filter(({ addresses }) => addresses.includes(connection.server))
    .map(({ name }) => String(name));
  const cameBy = on.some(({ name }) => {
    const bridge = inventory.networks.find((network) => network.name === name)?.bridge;
    return interfaces.includes(bridge ?? name);
  });
  return (
    services.some((service) => holdsPort(service, connection.port)) &&
    (peers.length === 0 || isPeer) &&
    (on.length === 0 || cameBy)
  );
}

function holdsPort(service: Service, port: number): boolean {
  if (service.kind === "any") return true;
  if (service.protocol !== "tcp") return false;
  return service.kind === "protocol" || (service.ports.first <= port && port <= service.ports.last);
}

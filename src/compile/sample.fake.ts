import { parseAddress, parsePrefix, type Address, type Prefix } from "../base/address.ts";
import { parseInterfaceName, type InterfaceName } from "../base/interface-name.ts";
import { parseMac, type Mac } from "../base/mac.ts";
import type { Guest, Inventory, Network } from "../model/inventory.ts";
import type { GuestPolicy, Policy, PublicationPolicy } from "../model/policy.ts";

/** Small worlds for the tests of this room, by hand. */

export const at = { file: "policy.yaml", line: 1, column: 1 };

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the sample is malformed");
  return value;
}

export const address = (text: string): Address => must(parseAddress(text));
export const prefix = (text: string): Prefix => must(parsePrefix(text));
export const device = (text: string): InterfaceName => must(parseInterfaceName(text));
export const mac = (text: string): Mac => must(parseMac(text));

export function network(name: string, changes: Partial<Network> = {}): Network {
  return {
    name,
    bridge: device(`br-${name}`),
    forward: "nat",
    subnets: [{ prefix: prefix("10.20.0.0/24"), gateway: address("10.20.0.1") }],
    nat6: false,
    reservations: [],
    at,
    ...changes,
  };
}

/** The guest `gN` with the nic `52:54:00:00:00:0N` on tap `vnetN`. */
export function guest(number: number, networkName: string): Guest {
  const nic = {
    mac: mac(`52:54:00:00:00:0${number}`),
    tap: device(`vnet${number}`),
    network: networkName,
    at,
  };
  return { name: `g${number}`, uuid: `${number}`, nics: [nic], at };
}

export function lease(number: number, text: string, bridge: string) {
  return {
    mac: mac(`52:54:00:00:00:0${number}`),
    address: address(text),
    bridge: device(bridge),
    expires: 0,
  };
}

export const uplink = {
  name: device("eth0"),
  addresses: [address("198.51.100.1"), address("2001:db8:1::1")],
  hasDefaultRoute: true,
};

export function inventory(changes: Partial<Inventory> = {}): Inventory {
  return { networks: [], guests: [], leases: [], host: { interfaces: [uplink] }, ...changes };
}

export function policy(changes: Partial<Policy> = {}): Policy {
  return {
    host: { integration: "auto", mark: 0x10000000, failsafe: [], topology: "host", at },
    aliases: new Map(),
    groups: new Map(),
    networks: new Map(),
    guests: new Map(),
    ...changes,
  };
}

export function guestPolicy(name: string, changes: Partial<GuestPolicy> = {}): GuestPolicy {
  return { name, publish: [], groups: [], nics: new Map(), required: false, at, ...changes };
}

export function publish(
  protocol: "tcp" | "udp",
  ports: readonly [number, number],
  guestPorts: readonly [number, number] = ports,
): PublicationPolicy {
  const mapping = {
    protocol,
    public: { first: ports[0], last: ports[1] },
    guest: { first: guestPorts[0], last: guestPorts[1] },
    at,
  };
  return { ports: [mapping], from: [], at };
}

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseXml, XmlElement } from "@rgrove/parse-xml";
import type { GuestSpec, LegSpec, UplinkSpec, WorldSpec } from "./world.ts";

/*
 * The world that an inventory folder describes. It reads the folder by itself, not through the product, so that a mistake there
 * does not bend the world until it fits. `world.json` adds what libvirt and the host do not know: addresses of guests without a
 * lease, machines on the bridges that are no guests, and prefixes that the world routes to the host.
 */

interface Lease {
  readonly "ip-address": string;
  readonly "mac-address": string;
}

interface HostInterface {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly master?: string;
  readonly kind?: string;
}

interface Other {
  readonly name: string;
  readonly port: string;
  readonly bridge: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
}

interface Extra {
  readonly others?: readonly Other[];
  readonly addresses?: Readonly<Record<string, readonly string[]>>;
  readonly routedToHost?: readonly string[];
}

export async function readWorldSpec(folder: string): Promise<WorldSpec> {
  const networks = (await readXml(join(folder, "networks"))).map(readNetwork);
  const leases = await readLeases(join(folder, "leases"));
  const host = await readJson<HostInterface[]>(join(folder, "host.json"), []);
  const extra = await readJson<Extra>(join(folder, "world.json"), {});
  const guests = (await readXml(join(folder, "domains"))).map((domain): GuestSpec => {
    const interfaces = descendants(domain, "interface");
    return {
      name: textOf(domain, "name"),
      nics: interfaces.map((nic) => {
        const mac = attribute(nic, "mac", "address");
        const named = networks.find(({ name }) => name === attribute(nic, "source", "network"));
        const leased = leases.filter((lease) => lease["mac-address"] === mac);
        return {
          tap: attribute(nic, "target", "dev"),
          bridge: attribute(nic, "source", "bridge") || (named?.bridge.name ?? ""),
          mac,
          addresses: leased
            .map((lease) => withLength(lease["ip-address"]))
            .concat(extra.addresses?.[mac] ?? []),
        };
      }),
    };
  });
  const others = (extra.others ?? []).map(({ name, port, gateways, ...nic }): GuestSpec => {
    return { name, gateways, nics: [{ ...nic, tap: port }] };
  });
  const uplink = uplinkOf(host);
  const bridges = networks.map(({ bridge }) => bridge).filter(({ name }) => name !== uplink.bridge);
  return {
    bridges: uplink.bridge === undefined ? bridges : [...bridges, bridgeOfUplink(uplink.bridge)],
    guests: [...guests, ...others],
    uplink,
    routedToHost: extra.routedToHost ?? [],
  };
}

const bridgeOfUplink = (name: string) => ({ name, addresses: [] });

function readNetwork(network: XmlElement) {
  const addresses = children(network, "ip").map((ip) => {
    const { address = "", prefix, netmask = "" } = ip.attributes;
    const length = prefix ?? String(lengthOf(netmask));
    return `${address}/${length}`;
  });
  return {
    name: textOf(network, "name"),
    bridge: { name: attribute(network, "bridge", "name"), addresses },
  };
}

function lengthOf(netmask: string): number {
  return netmask
    .split(".")
    .map((byte) => Number(byte).toString(2).replaceAll("0", "").length)
    .reduce((a, b) => a + b, 0);
}

/** The interface with addresses that is no guest network's; addresses outside of the world's link stand alone. */
function uplinkOf(host: readonly HostInterface[]): UplinkSpec {
  const port = host.find(({ master, name }) => master !== undefined && name.startsWith("eth"));
  const leg = port?.master === undefined ? undefined : legOf(host, port.master);
  const holder = host.find(({ name }) => name === (leg?.name ?? port?.master ?? "eth0"));
  const addresses = (holder?.addresses ?? []).map((address) => {
    const isOnLink = address.startsWith("198.51.100.") || address.startsWith("2001:db8:1:");
    if (isOnLink) return withLength(address);
    return `${address}/${address.includes(":") ? 128 : 32}`;
  });
  return port?.master === undefined
    ? { name: "eth0", addresses }
    : { name: port.name, bridge: port.master, addresses, ...(leg && { leg }) };
}

/** A pair of which one end is a port of the bridge, and the other has the host's addresses. */
function legOf(host: readonly HostInterface[], bridge: string): LegSpec | undefined {
  const ends = host.filter(({ kind }) => kind === "veth");
  const port = ends.find(({ master }) => master === bridge);
  const own = ends.find(({ master, addresses }) => master === undefined && addresses.length > 0);
  return port && own && { name: own.name, port: port.name };
}

const withLength = (address: string): string => `${address}/${address.includes(":") ? 64 : 24}`;

async function readXml(folder: string): Promise<XmlElement[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".xml")).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const { root } = parseXml(await readFile(join(folder, name), "utf8"));
      if (root === null) throw new Error(`${folder}/${name} is empty`);
      return root;
    }),
  );
}

async function readLeases(folder: string): Promise<Lease[]> {
  const names = await readdir(folder).catch(() => []);
  const lists = await Promise.all(names.map((name) => readJson<Lease[]>(join(folder, name), [])));
  return lists.flat();
}

async function readJson<T>(file: string, otherwise: T): Promise<T> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? otherwise : (JSON.parse(text) as T);
}

function children(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter(
    (child): child is XmlElement => child instanceof XmlElement && child.name === name,
  );
}

function descendants(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap((child) =>
    child instanceof XmlElement
      ? [...(child.name === name ? [child] : []), ...descendants(child, name)]
      : [],
  );
}

function textOf(element: XmlElement, name: string): string {
  return children(element, name)[0]?.text ?? "";
}

function attribute(element: XmlElement, child: string, name: string): string {
  return children(element, child)[0]?.attributes[name] ?? "";
}

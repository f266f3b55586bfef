import { toBits, type Family } from "../../../src/base/address.ts";
import { answerFib } from "../../../src/explain/fib.ts";
import type { Host, Interface } from "../../../src/explain/host.ts";
import { knownLayer } from "../../../src/explain/layer.ts";
import type { Flow, Packet } from "../../../src/explain/packet.ts";
import {
  findRoute,
  outsider,
  type RouteRow,
  type RouteTables,
  type RuleRow,
} from "../../../src/explain/routes.ts";
import { readClock } from "../../../src/edge/host/read-clock.ts";
import type { Sent } from "./random-packet.ts";
import { macOf, neighbours, type TracedHost } from "./traced-host.ts";
import { addressFamily, headerBytes, ipPacket, frame, protocolNumber } from "./wire-packet.ts";

/** The evaluator's view of the traced host: its routes as `ip` lists them, the rest as the test has made it. */
export async function readHost(host: TracedHost): Promise<Host> {
  const list = async <Row>(...args: readonly string[]): Promise<Row[]> => {
    const output = await host.run(["ip", "-j", ...args]);
    return output.trim() === "" ? [] : (JSON.parse(output) as Row[]);
  };
  const tables: RouteTables = {
    rules: { 4: await list<RuleRow>("-4", "rule"), 6: await list<RuleRow>("-6", "rule") },
    routes: {
      4: await list<RouteRow>("-4", "route", "show", "table", "all"),
      6: await list<RouteRow>("-6", "route", "show", "table", "all"),
    },
  };
  const interfaces = new Map(
    ["left", "right", "br0", "one", "two", "lo"].map((name) => [name, interfaceOf(name)]),
  );
  return {
    get clock() {
      return readClock();
    },
    interfaces,
    route: (query) => findRoute(tables, query),
    fib: (query) => answerFib(tables, query),
    forwards: () => true,
    refuses: () => undefined,
    outsider: (family) => outsider(tables, family),
    behind: () => undefined,
    isSilent: () => false,
    peerOf: () => undefined,
    portsOf: () => [],
    macvtapOn: () => undefined,
    heardOf: () => [],
    hears: () => false,
    reads: () => false,
    detached: () => undefined,
    filtersBridged: () => host.filtersBridged,
    bridgeOf: (port) => (port === "one" || port === "two" ? "br0" : undefined),
    segmentOf: () => undefined,
    portTo: (_, mac) => bridgePorts.get(mac),
    neighbour: (device, address) => {
      const number = Number(address & 0xffn);
      return neighbours.includes(number) ? macBits(macOf(device, number)) : undefined;
    },
  };
}

const macBits = (mac: string): bigint => BigInt(`0x${mac.replaceAll(":", "")}`);

const bridgePorts = new Map([
  [macBits(macOf("br0", 1)), "self"],
  ...[2, 3].map((number) => [macBits(macOf("br0", number)), "one"] as const),
  ...[4, 5].map((number) => [macBits(macOf("br0", number)), "two"] as const),
]);

function interfaceOf(name: string): Interface {
  const net = ["left", "right", "br0"].indexOf(name) + 1;
  const own = (family: Family, text: string, length: number) => ({
    family,
    bits: toBits(text),
    length,
  });
  return {
    name,
    isLoopback: name === "lo",
    group: 0,
    mac: net > 0 ? macBits(macOf(name, 1)) : 0n,
    ...(name !== "lo" && { kind: name === "br0" ? "bridge" : "tun" }),
    addresses:
      net > 0 ? [own(4, `10.0.${String(net)}.1`, 24), own(6, `fd0${String(net)}::1`, 64)] : [],
  };
}

export function frameOf({ packet, link }: Sent): Buffer {
  const bytes = ipPacket(packet);
  return link === undefined ? bytes : frame(link.to, link.from, bytes);
}

/** The packet as the evaluator takes it: every byte known. */
export function evaluatedPacket(sent: Sent, flow: Flow): Packet {
  const { packet, link } = sent;
  const family = addressFamily(packet.source);
  const bytes = ipPacket(packet);
  const header = headerBytes(family);
  const network = knownLayer(bytes.subarray(0, header));
  return {
    etherType: family === 4 ? 0x0800 : 0x86dd,
    ...(link !== undefined && { link: knownLayer(frameOf(sent).subarray(0, 14)) }),
    network: { ...network, isOpen: true },
    transport: knownLayer(bytes.subarray(header)),
    protocol: protocolNumber(packet),
    length: BigInt(bytes.length),
    type: link !== undefined && !isToHost(link.to) ? "other" : "host",
    mark: 0n,
    hasSocket: link === undefined,
    flow,
    tracking: "ahead",
  };
}

function isToHost(mac: string): boolean {
  return ["left", "right", "br0"].some((name) => macOf(name, 1) === mac);
}

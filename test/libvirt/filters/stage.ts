import { join } from "node:path";
import { projectRoot } from "../../../lab/project-root.ts";
import type { Running } from "../../../lab/running.ts";
import type { World } from "../../../lab/world.ts";
import { frameOf, hasTag, ipPacketOf, type IpBody, type Packet } from "../../world/packet.ts";

/*
 * A hypervisor of one bridge whose every other end is in our hands:
 *
 *   guest -- vnet0 ---+
 *                   br0 (the host: 10.9.0.1, fd09::1) -- routes -- eth0 -- world (198.51.100.50, 2001:db8:1::50)
 *   neighbour - vnet1 -+
 *
 * The bridge learns nothing: a forged source must not bend the way of later frames. Neighbours of the host are written down, so
 * that it asks nobody; what it would answer does not leave it.
 */
export const guest = { tap: "vnet0", mac: "52:54:00:00:00:02", four: "10.9.0.2", six: "fd09::2" };
export const neighbour = {
  tap: "vnet1",
  mac: "52:54:00:00:00:03",
  four: "10.9.0.3",
  six: "fd09::3",
};
export const host = { bridge: "br0", mac: "52:54:00:00:00:01", four: "10.9.0.1", six: "fd09::1" };
export const world = {
  tap: "eth0",
  mac: "52:54:00:00:00:50",
  /** The host at this end. */
  hostMac: "52:54:00:00:00:51",
  gateway: "198.51.100.1",
  four: "198.51.100.50",
  six: "2001:db8:1::50",
};

export type Place = "guest" | "neighbour" | "world" | "host";

export interface Step {
  readonly from: Place;
  readonly packet: Packet;
}

export interface Stage {
  /** Sends each in turn, and gives for each the places it came out at, in order of name; `` for nowhere. */
  send(steps: readonly Step[]): Promise<string[]>;
  /** Runs a program where the stage stands; throws when it fails. */
  must(argv: readonly string[], input?: string): Promise<string>;
  forgetFlows(): Promise<void>;
}

const taps: ReadonlyMap<string, Place> = new Map([
  [guest.tap, "guest"],
  [neighbour.tap, "neighbour"],
  [world.tap, "world"],
]);

const sysctls = [
  "net.ipv4.ip_forward=1",
  "net.ipv6.conf.all.forwarding=1",
  "net.ipv4.conf.all.rp_filter=0",
  "net.ipv4.conf.default.rp_filter=0",
  // No answers and no questions of the host's own.
  "net.ipv4.conf.all.arp_ignore=8",
  "net.ipv6.conf.all.accept_dad=0",
  "net.ipv6.conf.default.accept_dad=0",
  "net.ipv6.conf.default.dad_transmits=0",
  "net.ipv6.conf.all.accept_ra=0",
  "net.ipv6.conf.default.accept_ra=0",
  "net.ipv6.conf.default.router_solicitations=0",
  "net.bridge.bridge-nf-call-iptables=1",
  "net.bridge.bridge-nf-call-ip6tables=1",
  // Frames made by hand need no right checksum to be part of a flow.
  "net.netfilter.nf_conntrack_checksum=0",
];

const links = [
  "link set lo up",
  `link add ${host.bridge} address ${host.mac} type bridge stp_state 0 mcast_snooping 0`,
  `link set ${host.bridge} up`,
  `addr add ${host.four}/24 dev ${host.bridge}`,
  `addr add ${host.six}/64 dev ${host.bridge} nodad`,
  `link set ${world.tap} address ${world.hostMac}`,
  `addr add ${world.gateway}/24 dev ${world.tap}`,
  `addr add 2001:db8:1::1/64 dev ${world.tap} nodad`,
  `route add 0.0.0.0/0 via ${world.four}`,
  `route add ::/0 via ${world.six}`,
  ...[guest, neighbour].flatMap(({ tap, mac, four, six }) => [
    `link set ${tap} master ${host.bridge}`,
    `neigh add ${four} lladdr ${mac} dev ${host.bridge}`,
    `neigh add ${six} lladdr ${mac} dev ${host.bridge}`,
  ]),
  `neigh add ${world.four} lladdr ${world.mac} dev ${world.tap}`,
  `neigh add ${world.six} lladdr ${world.mac} dev ${world.tap}`,
];

const ports = [guest, neighbour].flatMap(({ tap, mac }) => [
  `link set dev ${tap} learning off`,
  `fdb replace ${mac} dev ${tap} master static`,
]);

/** Only what wire.pl sends as the host, which bears this mark, leaves it; and that is nobody's mark afterwards. */
const silence = `table inet stage {
  chain output {
    type filter hook output priority -400
    meta mark & 0x1 == 0x0 drop
    meta mark set meta mark & 0xfffffffe
  }
}
`;

export interface StageOptions {
  /** A network namespace of its own in the world, to be made; absent: the world's own. */
  readonly namespace?: string;
}

export async function makeStage(lab: World, { namespace }: StageOptions = {}): Promise<Stage> {
  if (namespace !== undefined) await lab.must(["ip", "netns", "add", namespace]);
  const inside = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
  const must: Stage["must"] = (argv, input) =>
    lab.must([...inside, ...argv], input === undefined ? {} : { input });
  const wire = await Wire.start(lab, inside);
  await must(["sysctl", "-q", "-w", ...sysctls]);
  await must(["ip", "-batch", "-"], `${links.join("\n")}\n`);
  await must(["bridge", "-batch", "-"], `${ports.join("\n")}\n`);
  await must(["nft", "-f", "-"], silence);
  await wire.listen();
  return {
    must,
    send: (steps) => wire.send(steps),
    forgetFlows: async () => {
      await must(["conntrack", "-F"]);
    },
  };
}

/** The program that sends and hears, a line at a time. */
class Wire {
  readonly #program: Running;
  readonly #lines: readonly string[];
  #read = 0;
  #tag = 0;
  #hasEnded = false;

  private constructor(program: Running, lines: readonly string[]) {
    this.#program = program;
    this.#lines = lines;
    void program.ended.then(() => (this.#hasEnded = true));
  }

  static async start(lab: World, inside: readonly string[]): Promise<Wire> {
    const script = join(projectRoot(), "test/world/wire.pl");
    const lines: string[] = [];
    const program = await lab.start([...inside, "perl", script, host.bridge, ...taps.keys()], {
      onLine: (line) => lines.push(line),
    });
    const wire = new Wire(program, lines);
    await wire.#says("made");
    return wire;
  }

  async listen(): Promise<void> {
    this.#program.stdin.write("listen\n");
    await this.#says("ready");
  }

  async send(steps: readonly Step[]): Promise<string[]> {
    const first = this.#tag;
    this.#tag += steps.length;
    const lines = steps.map(({ from, packet }, i) => lineOf(from, packet, first + i));
    this.#program.stdin.write(lines.map((line) => `${line}\n`).join(""));
    const places: string[] = [];
    for (const [i, { from }] of steps.entries()) {
      places.push(heardAt(await this.#line(), first + i, from));
    }
    return places;
  }

  async #line(): Promise<string> {
    const end = performance.now() + 20_000;
    while (this.#lines.length <= this.#read) {
      if (this.#hasEnded || performance.now() > end) {
        throw new Error(`no answer: ${this.#program.output().slice(-500)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return this.#lines[this.#read++] ?? "";
  }

  async #says(word: string): Promise<void> {
    const line = await this.#line();
    if (line !== word)
      throw new Error(`the wire says ${line}: ${this.#program.output().slice(-500)}`);
  }
}

function lineOf(from: Place, packet: Packet, tag: number): string {
  if (from === "host") {
    if (packet.body.kind !== "ip") throw new Error("the host sends IP packets only");
    return `host ${ipPacketOf(packet.body, tag).toString("hex")}`;
  }
  const tap = [...taps].find(([, place]) => place === from)?.[0] ?? "";
  return `${tap} ${frameOf(packet, tag).toString("hex")}`;
}

/** What comes back to its sender is somebody's answer. */
function heardAt(line: string, tag: number, from: Place): string {
  const places = line.split(" ").flatMap((word) => {
    const [name = "", hex = ""] = word.split(":");
    const place = taps.get(name) ?? "host";
    const isIt = place !== from && hasTag(Buffer.from(hex, "hex"), tag);
    return isIt ? [place] : [];
  });
  return [...new Set(places)].toSorted().join(" ");
}

/** From one end of the bridge to another, by their usual addresses. */
export function linkOf(from: Place, to: Place): Pick<Packet, "from" | "to"> {
  const macs = { guest: guest.mac, neighbour: neighbour.mac, host: host.mac, world: world.mac };
  if (from === "world") return { from: world.mac, to: world.hostMac };
  return { from: macs[from], to: to === "world" ? host.mac : macs[to] };
}

/** An IP packet from one place to another, on the way it takes by itself. */
export function ipStep(
  from: Place,
  to: Place,
  body: Omit<IpBody, "kind" | "source" | "destination"> & { readonly family?: "four" | "six" },
): Step {
  const ends = { guest, neighbour, host, world };
  const { family = "four", ...fields } = body;
  const [source, destination] = [ends[from][family], ends[to][family]];
  return {
    from,
    packet: { ...linkOf(from, to), body: { kind: "ip", source, destination, ...fields } },
  };
}

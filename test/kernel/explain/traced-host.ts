import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { mustRun } from "../../../lab/run-program.ts";
import { readTrace, type Trace } from "./trace.ts";

/** What the kernel did with one packet. */
export interface Passage {
  /** Frames that came out of taps. */
  readonly frames: readonly { readonly tap: string; readonly bytes: Buffer }[];
  readonly traces: readonly Trace[];
}

interface Answer {
  readonly frames: readonly (readonly [tap: string, hex: string])[];
  readonly traces: readonly string[];
}

/**
 * A host in a namespace of its own, with the far ends of its taps in our hands:
 *
 *   left  10.0.1.1  fd01::1      right  10.0.2.1  fd02::1      br0 (ports one, two)  10.0.3.1  fd03::1
 *
 * Neighbours .2 to .9 of each network are there for good, and the way out is 10.0.2.9, fd02::9.
 */
export class TracedHost {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #filtersBridged = false;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  static async start(): Promise<TracedHost> {
    const program = fileURLToPath(new URL("traced-host.pl", import.meta.url));
    const child = spawn("unshare", ["--net", "perl", program, ...taps], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    if (value !== "ready") throw new Error("the traced host does not start");
    const host = new TracedHost(child, lines);
    await host.run(["sysctl", "-q", "-w", ...sysctls]);
    await host.run(["ip", "-batch", "-"], commands().join("\n"));
    await host.run(["bridge", "-batch", "-"], bridgeCommands().join("\n"));
    while ((await host.#ownAddresses()) < networks.length);
    return host;
  }

  /** How many of IPv6 count as its own by now: the kernel gives their routes to a work queue, without DAD too (addrconf_dad_work). */
  async #ownAddresses(): Promise<number> {
    const routes = await this.run(["ip", "-6", "route", "show", "table", "local"]);
    return [...routes.matchAll(/^local fd0\d::1 /gm)].length;
  }

  /** Whether frames between the ports of its bridge meet the chains of IP. */
  get filtersBridged(): boolean {
    return this.#filtersBridged;
  }

  async filterBridged(isOn: boolean): Promise<void> {
    this.#filtersBridged = isOn;
    const settings = ["iptables", "ip6tables"].map(
      (name) => `net.bridge.bridge-nf-call-${name}=${isOn ? "1" : "0"}`,
    );
    await this.run(["sysctl", "-q", "-w", ...settings]);
  }

  /** Runs a program in the host's namespace. */
  run([command = "", ...args]: readonly string[], input = ""): Promise<string> {
    const namespace = `--net=/proc/${String(this.#child.pid)}/ns/net`;
    return mustRun(["nsenter", namespace, command, ...args], { input });
  }

  /** Sends a frame into a tap, or an IP packet from the host itself, and tells what came of it. */
  async send(place: string, bytes: Uint8Array): Promise<Passage> {
    this.#child.stdin?.write(`${place} ${Buffer.from(bytes).toString("hex")}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the traced host has ended");
    const answer = JSON.parse(String(value)) as Answer;
    return {
      frames: answer.frames.map(([tap, hex]) => ({ tap, bytes: Buffer.from(hex, "hex") })),
      traces: answer.traces.flatMap((hex) => readTrace(Buffer.from(hex, "hex"))),
    };
  }

  async close(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }
}

const taps = ["left", "right", "one", "two"];
/** The devices that have addresses: network 1, 2 and 3. */
const networks = ["left", "right", "br0"];

/** Nothing is sent that a test did not ask for, and no answer is held back. */
const sysctls = [
  "net.ipv4.ip_forward=1",
  "net.ipv6.conf.all.forwarding=1",
  "net.ipv4.conf.all.rp_filter=0",
  "net.ipv4.conf.default.rp_filter=0",
  "net.ipv6.conf.default.accept_dad=0",
  "net.ipv6.conf.default.accept_ra=0",
  "net.ipv4.conf.all.send_redirects=0",
  "net.ipv4.conf.default.send_redirects=0",
  "net.bridge.bridge-nf-call-iptables=0",
  "net.bridge.bridge-nf-call-ip6tables=0",
];

/** The hardware address of whoever has the address ending in that number on a tap; that of the host's own end is number 1. */
export function macOf(place: string, number: number): string {
  const tap = networks.indexOf(place) + 1;
  return `02:00:00:00:0${String(tap)}:0${String(number)}`;
}

export const neighbours = [2, 3, 4, 5, 9];

function commands(): string[] {
  const up = (name: string) => `link set ${name} addrgenmode none up`;
  const bridge = `link add br0 address ${macOf("br0", 1)} type bridge stp_state 0 mcast_snooping 0`;
  const lines = [
    "link set lo up",
    bridge,
    ...["one", "two"].map((tap) => `link set ${tap} master br0`),
  ];
  for (const [index, name] of networks.entries()) {
    const net = index + 1;
    lines.push(
      `link set ${name} address ${macOf(name, 1)}`,
      up(name),
      `addr add 10.0.${String(net)}.1/24 dev ${name}`,
      `addr add fd0${String(net)}::1/64 dev ${name} nodad`,
    );
    for (const number of neighbours) {
      const who = `lladdr ${macOf(name, number)} dev ${name} nud permanent`;
      lines.push(
        `neigh add 10.0.${String(net)}.${String(number)} ${who}`,
        `neigh add fd0${String(net)}::${String(number)} ${who}`,
      );
    }
  }
  lines.push(
    up("one"),
    up("two"),
    "route add default via 10.0.2.9",
    "route add default via fd02::9",
  );
  return lines;
}

function bridgeCommands(): string[] {
  const behind = (port: string, number: number) =>
    `fdb replace ${macOf("br0", number)} dev ${port} master static`;
  return [behind("one", 2), behind("one", 3), behind("two", 4), behind("two", 5)];
}

import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { bridge, type Fleet, gateway, guestPort, hostAddress } from "./fleet.ts";
import { Program, run } from "./program.ts";

/** Three network namespaces: a client outside, the host, and the fleet's real guest, which answers on {@link guestPort}. */
export interface BenchWorld {
  readonly client: string;
  readonly host: string;
  readonly guest: string;
  close(): Promise<void>;
}

const clientAddress = "198.51.100.50";

/** The folder this program was bundled from. */
export const benchFolder = join(import.meta.dirname, "../../bench");
export const distFolder = join(import.meta.dirname, "..");

export function benchTool(name: string, ...args: readonly (string | number)[]): string[] {
  return ["perl", join(benchFolder, name), ...args.map(String)];
}

/** Throws unless the namespace that scripts/in-namespace.sh made is around us: what follows changes links and rules. */
export function assertPrivateNamespace(): void {
  const outer = process.env["VIRTWALL_OUTER_NETNS"];
  if (outer === undefined || outer === readlinkSync("/proc/self/ns/net")) {
    throw new Error("the bench runs in a namespace of its own only: npm run bench");
  }
}

export async function makeBenchWorld(fleet: Fleet): Promise<BenchWorld> {
  const [client, host, guest] = ["bench-client", "bench-host", "bench-guest"];
  const namespaces = [client, host, guest];
  ip([], ...namespaces.map((name) => `netns add ${name}`));
  for (const name of namespaces) ip(["-n", name], "link set lo up");
  connect(fleet, { client, host, guest });
  await run(host, ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  const server = new Program(guest, benchTool("listen.pl", guestPort));
  await server.said("ready");
  return {
    client,
    host,
    guest,
    close: async () => {
      await server.stop();
      ip([], ...namespaces.map((name) => `netns del ${name}`));
    },
  };
}

function connect(
  { real }: Fleet,
  { client, host, guest }: { client: string; host: string; guest: string },
): void {
  ip(
    ["-n", host],
    `link add eth0 type veth peer name eth0 netns ${client}`,
    `addr add ${hostAddress}/24 dev eth0`,
    "link set eth0 up",
    `route add default via ${clientAddress}`,
    `link add ${bridge} type bridge stp_state 0 mcast_snooping 0`,
    `addr add ${gateway}/16 dev ${bridge}`,
    `link set ${bridge} up`,
    `link add ${real.tap} type veth peer name eth0 address ${real.mac} netns ${guest}`,
    `link set ${real.tap} master ${bridge}`,
    `link set ${real.tap} up`,
  );
  ip(
    ["-n", client],
    `addr add ${clientAddress}/24 dev eth0`,
    "link set eth0 up",
    `route add default via ${hostAddress}`,
  );
  ip(
    ["-n", guest],
    `addr add ${real.address}/16 dev eth0`,
    "link set eth0 up",
    `route add default via ${gateway}`,
  );
}

/** Runs commands of ip(8) in one go. */
export function ip(options: readonly string[], ...commands: readonly string[]): void {
  execFileSync("ip", [...options, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}

/** Takes every rule off the host, those of iptables-nft among them. */
export async function clearRules(world: BenchWorld): Promise<void> {
  await run(world.host, ["nft", "flush", "ruleset"]);
}

import type { World } from "./world.ts";

/** The world's outside: what the hypervisor and the client beyond its uplink are called. */
export const uplink = {
  name: "uplink",
  /** The hypervisor's own address, and a second one for publications. */
  address: "203.0.113.1",
  extraAddress: "203.0.113.10",
  address6: "2001:db8:1::1",
  extraAddress6: "2001:db8:1::10",
} as const;

export const client = {
  /** Its network namespace: `ip netns exec client …`. */
  namespace: "client",
  address: "203.0.113.50",
  address6: "2001:db8:1::50",
  /** An address beyond the client: "the internet" as guests see it. */
  farAddress: "198.51.100.7",
} as const;

/** Gives the world an uplink with default routes, and an outside client at its other end. */
export async function addUplink(world: World): Promise<void> {
  const far = ["-n", client.namespace];
  const commands: readonly (readonly string[])[] = [
    ["netns", "add", client.namespace],
    ["link", "add", uplink.name, "type", "veth", "peer", "name", "eth0", "netns", client.namespace],
    ["addr", "add", `${uplink.address}/24`, "dev", uplink.name],
    ["addr", "add", `${uplink.extraAddress}/24`, "dev", uplink.name],
    ["addr", "add", `${uplink.address6}/64`, "dev", uplink.name, "nodad"],
    ["addr", "add", `${uplink.extraAddress6}/64`, "dev", uplink.name, "nodad"],
    ["link", "set", uplink.name, "up"],
    [...far, "addr", "add", `${client.address}/24`, "dev", "eth0"],
    [...far, "addr", "add", `${client.address6}/64`, "dev", "eth0", "nodad"],
    [...far, "addr", "add", `${client.farAddress}/32`, "dev", "lo"],
    [...far, "link", "set", "lo", "up"],
    [...far, "link", "set", "eth0", "up"],
    // No default route back: the client reaches a guest's private address only where a test adds a route.
    ["route", "add", "default", "via", client.address, "dev", uplink.name],
    ["route", "add", "default", "via", client.address6, "dev", uplink.name],
  ];
  for (const command of commands) await world.must(["ip", ...command]);
}

/** What to put before a command that the outside client runs. */
export const asClient = ["ip", "netns", "exec", client.namespace] as const;

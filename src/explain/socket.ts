import type { Proxy } from "./foreign.ts";
import { loadField } from "./load.ts";
import type { Called } from "./listeners.ts";
import { familyOfPacket, type Packet } from "./packet.ts";
import type { Context } from "./state.ts";
import type { Answer } from "./value.ts";

const protocols: Readonly<Record<number, Called["protocol"]>> = { 6: "tcp", 17: "udp" };

/** Whom a packet calls that came by an interface; undefined where that is not known, or no socket's business. */
export function calledBy(packet: Packet, iif: string): Called | undefined {
  const family = familyOfPacket(packet);
  const protocol = protocols[packet.protocol ?? 0];
  if (protocol === undefined || family === undefined) return undefined;
  const address = loadField(family === 4 ? "ip" : "ip6", "daddr", { packet });
  const port = loadField(protocol, "dport", { packet });
  if (typeof address !== "bigint" || typeof port !== "bigint") return undefined;
  return { protocol, family, address, port: Number(port), iif };
}

/** Whether the kernel may find a socket for it (nft_socket.c, xt_socket.c): for what begins a flow, one that waits there. */
export function mayFindSocket(packet: Packet, { host, iif }: Context): boolean {
  if (packet.hasSocket || iif === undefined || !isFirst(packet)) return true;
  if (packet.protocol !== undefined && protocols[packet.protocol] === undefined) return false;
  const called = calledBy(packet, iif);
  return called === undefined || host.hears(called);
}

function isFirst({ flow }: Packet): boolean {
  return flow.direction === "original" && flow.state === "new";
}

/** Whether the program that a proxy names takes the packet (nft_tproxy.c, xt_TPROXY.c); `maybe`: only it can tell. */
export function isTaken(proxy: Proxy, packet: Packet, { host, iif = "" }: Context): Answer {
  const family = familyOfPacket(packet);
  const isOther = proxy.family !== undefined && proxy.family !== family;
  const hasPorts = packet.protocol === undefined || protocols[packet.protocol] !== undefined;
  if (isOther || !hasPorts) return "no";
  const called = calledBy(packet, iif);
  if (called === undefined || !isFirst(packet)) return "maybe";
  const own = host.interfaces.get(iif)?.addresses.find((each) => each.family === family)?.bits;
  const address = proxy.address ?? own ?? called.address;
  return host.hears({ ...called, address, port: proxy.port ?? called.port }) ? "maybe" : "no";
}

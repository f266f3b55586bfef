import { createSocket } from "node:dgram";
import { setTimeout } from "node:timers/promises";
import { familyOf, type Address } from "../../base/address.ts";
import type { InterfaceName } from "../../base/interface-name.ts";
import type { Mac } from "../../base/mac.ts";
import { defined } from "../../base/defined.ts";
import { SourceError } from "../../ports/sources.ts";
import { runIp } from "./run-ip.ts";

interface Asked {
  readonly bridge: InterfaceName;
  readonly address: Address;
  readonly mac: Mac;
}

/** A row of `ip -j neigh` (iproute2 6.1). */
interface NeighbourRow {
  readonly dst?: string;
  readonly dev?: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** RFC 863: whoever takes it throws it away. */
const discardPort = 9;
const patienceMs = 5_000;
const pauseMs = 200;

/** Sends each one datagram, and tells whose hardware address the kernel has come to know by it. Throws what `ip` throws. */
export async function askNeighbours(
  asked: readonly Asked[],
): Promise<readonly (Asked & { readonly answered?: string })[]> {
  const deadline = performance.now() + patienceMs;
  for (const each of asked) await forget(each);
  for (;;) {
    await Promise.all(asked.map(({ address }) => send(address)));
    await setTimeout(pauseMs);
    const rows = await runIp<NeighbourRow>(["neigh", "show"]);
    const answers = asked.map((each) => defined({ ...each, answered: answerOf(each, rows) }));
    const isDone = answers.every(({ answered }) => answered !== undefined);
    if (isDone || performance.now() > deadline) return answers;
  }
}

/** What he said before does not count; whom the kernel does not know it cannot forget. */
async function forget({ bridge, address }: Asked): Promise<void> {
  await runIp(["neigh", "del", address, "dev", bridge]).catch((error: unknown) => {
    if (!(error instanceof SourceError)) throw error;
  });
}

/** Probed and delayed entries are of before: the kernel has not heard again of them yet. */
function answerOf({ bridge, address }: Asked, rows: readonly NeighbourRow[]): string | undefined {
  const row = rows.find(({ dst, dev }) => dst === address && dev === bridge);
  return row?.state?.includes("REACHABLE") === true ? row.lladdr : undefined;
}

/** Whether it can be sent is no matter: then nobody answers either. */
async function send(address: Address): Promise<void> {
  const socket = createSocket(familyOf(address) === 4 ? "udp4" : "udp6");
  await new Promise<void>((resolve) => {
    socket.once("error", () => resolve());
    socket.send("", discardPort, address, () => resolve());
  });
  socket.close();
}

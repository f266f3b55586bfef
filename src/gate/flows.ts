import { constants } from "node:os";
import type { Address } from "../base/address.ts";
import type { GateFlow } from "../wire/gate-protocol.ts";
import { printDeleteFlow, printListFlows, readFlow, WantedAddresses } from "./flow-message.ts";
import { errorWords, RefusedError, type Nftables } from "./libnftables.ts";
import { doneType, errorType, join, readErrno, readMessages } from "./netlink-frame.ts";

/**
 * Messages in one datagram. Each is answered, and the answers wait in the socket's buffer, where one takes about 800 of the 212992
 * bytes that are the kernel's default.
 */
const batch = 100;

/** Flows that have one of the addresses at an end. Throws {@link RefusedError} where the kernel's list was not whole. */
export function listFlows(nftables: Nftables, addresses: readonly Address[]): readonly GateFlow[] {
  const wanted = new WantedAddresses(addresses);
  const flows: GateFlow[] = [];
  let errno: number | undefined;
  for (const datagram of nftables.talk(printListFlows(1))) {
    for (const message of readMessages(datagram)) {
      if (message.type === doneType || message.type === errorType) errno = readErrno(message);
      const flow = readFlow(message, wanted);
      if (flow) flows.push(flow);
    }
  }
  if (errno === 0) return flows;
  const words = errno === undefined ? "the kernel broke off" : errorWords(errno);
  throw new RefusedError(`listing tracked connections: ${words}`);
}

/** Answers how many were still there. */
export function deleteFlows(nftables: Nftables, keys: readonly string[]): number {
  let count = 0;
  for (let first = 0; first < keys.length; first += batch) {
    const messages = keys.slice(first, first + batch).map(printDeleteFlow);
    for (const datagram of nftables.talk(join(messages))) {
      for (const message of readMessages(datagram)) {
        const errno = readErrno(message);
        if (errno === 0) count++;
        else if (errno !== constants.errno.ENOENT) {
          throw new RefusedError(`deleting tracked connections: ${errorWords(errno)}`);
        }
      }
    }
  }
  return count;
}

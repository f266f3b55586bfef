import { constants } from "node:os";
import type { Address } from "../base/address.ts";
import type { GateFlow } from "../wire/gate-protocol.ts";
import { printDeleteFlows, printListFlows, readFlow, WantedAddresses } from "./flow-message.ts";
import { errorWords, RefusedError, type Nftables } from "./libnftables.ts";
import { doneType, errorType, readErrno, readMessages } from "./netlink-frame.ts";

/**
 * Messages in one datagram. At worst each is answered with an error, which takes about 1300 of the 212992 bytes that a socket's buffer
 * has by default.
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

/** Answers how many were still there. Throws {@link RefusedError}; some of them may be gone then. */
export function deleteFlows(nftables: Nftables, keys: readonly string[]): number {
  let missing = 0;
  for (let first = 0; first < keys.length; first += batch) {
    const message = printDeleteFlows(keys.slice(first, first + batch));
    for (const errno of [...nftables.talk(message)].flatMap(readMessages).map(readErrno)) {
      if (errno === constants.errno.ENOENT) missing++;
      else if (errno !== 0) {
        throw new RefusedError(`deleting tracked connections: ${errorWords(errno)}`);
      }
    }
  }
  return keys.length - missing;
}

import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Family } from "../../base/address.ts";
import { ProgramError, runApart } from "./run-apart.ts";

const listing = "/proc/net/nf_conntrack";
/** There as soon as the kernel can track at all. */
const setting = "/proc/sys/net/netfilter/nf_conntrack_max";
/** As many bytes as some 300,000 connections take: the kernel prints them in a few tenths of a second. */
const mostBytes = 48 << 20;
/** As long as conntrack may take for as many. */
const patienceMs = 10_000;
const tooMany = "there are too many";

/** Connections whose first packet goes to a port, as far as they are told apart ahead of reading them. */
export interface WantedFlows {
  readonly family: Family;
  readonly protocol: string;
  readonly port: number;
}

/** What the kernel says of such connections, a line each; none where it tracks none. */
export interface TrackedLines {
  readonly lines: readonly string[];
  /** Why not all connections were looked at; absent: they were. */
  readonly unseen?: string;
}

/**
 * In the words of /proc/net/nf_conntrack, which the program conntrack speaks too. It is asked where a kernel has no such file: one
 * without CONFIG_NF_CONNTRACK_PROCFS, which is deprecated.
 */
export async function readTrackedFlows(wanted: WantedFlows): Promise<TrackedLines> {
  if (existsSync(listing)) return readListing(wanted);
  return existsSync(setting) ? askConntrack(wanted) : { lines: [] };
}

async function readListing({ family, protocol, port }: WantedFlows): Promise<TrackedLines> {
  const stream = createReadStream(listing, { end: mostBytes - 1 });
  const wanted = [`ipv${String(family)} `, ` ${protocol} `];
  // The first of a line's two is that of the original direction.
  const portOf = (line: string) => / dport=(\d+) /.exec(line)?.[1];
  const lines: string[] = [];
  try {
    for await (const line of createInterface({ input: stream })) {
      const isWanted = wanted.every((word) => line.includes(word));
      if (isWanted && portOf(line) === String(port)) lines.push(line);
    }
  } catch (error) {
    return { lines: [], unseen: (error as Error).message };
  }
  return stream.bytesRead < mostBytes ? { lines } : { lines, unseen: tooMany };
}

async function askConntrack({ family, protocol, port }: WantedFlows): Promise<TrackedLines> {
  const ends = ["-f", `ipv${String(family)}`, "-p", protocol, "--orig-port-dst", String(port)];
  try {
    const bounds = { timeoutMs: patienceMs, mostBytes };
    const text = await runApart("conntrack", ["-L", ...ends, "-o", "extended"], bounds);
    const lines = text.split("\n").filter((line) => line !== "");
    return text.length < mostBytes ? { lines } : { lines, unseen: tooMany };
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    const words =
      error.code === "ENOENT"
        ? "this kernel shows them to conntrack alone: apt install conntrack"
        : `conntrack says: ${error.message}`;
    return { lines: [], unseen: words };
  }
}

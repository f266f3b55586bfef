import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** As many bytes as some 300,000 connections take: the kernel prints them in a few tenths of a second. */
const mostBytes = 48 << 20;

/** What the kernel says of connections to a port, a line each; none where it tracks or says none. */
export interface TrackedLines {
  readonly lines: readonly string[];
  /** Whether all connections were looked at. */
  readonly isWhole: boolean;
}

/** The connections that the kernel tracks in one protocol, those to one port, in its own words. */
export async function readTrackedFlows(protocol: string, port: number): Promise<TrackedLines> {
  const stream = createReadStream("/proc/net/nf_conntrack", { end: mostBytes - 1 });
  const wanted = [` ${protocol} `, ` dport=${String(port)} `];
  const lines: string[] = [];
  try {
    for await (const line of createInterface({ input: stream })) {
      if (wanted.every((word) => line.includes(word))) lines.push(line);
    }
  } catch {
    return { lines: [], isWhole: true };
  }
  return { lines, isWhole: stream.bytesRead < mostBytes };
}

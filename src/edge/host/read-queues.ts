import { readFile } from "node:fs/promises";

/**
 * The queues of packets that programs have bound themselves to, in this namespace. Without the file nobody can have done so: the kernel
 * makes it with the first that asks for queues (nfnetlink_queue.c).
 */
export async function readQueues(): Promise<ReadonlySet<number>> {
  try {
    const text = await readFile("/proc/net/netfilter/nfnetlink_queue", "utf8");
    return new Set(text.match(/^ *\d+/gm)?.map(Number));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Set();
    throw error;
  }
}

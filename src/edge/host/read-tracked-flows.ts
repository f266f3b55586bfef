import { readFile } from "node:fs/promises";

/** The connections that the kernel tracks, in its own words; none where it does not say. */
export function readTrackedFlowsFile(): Promise<string> {
  return readFile("/proc/net/nf_conntrack", "utf8").catch(() => "");
}

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { InterfaceName } from "../../base/interface-name.ts";
import { LinkError, type BridgePort, type Links } from "../../ports/links.ts";

/** The bridge ports of the namespace this process runs in, through iproute2's `bridge`. */
export class BridgeLinks implements Links {
  async isBridgeFiltered(): Promise<boolean> {
    const settings = await Promise.all(
      ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"].map(readSetting),
    );
    return settings.includes("1");
  }

  setHairpin(ports: readonly InterfaceName[]): Promise<void> {
    return runBatch(
      "bridge",
      ports.map((port) => `link set dev ${port} hairpin on\n`),
    );
  }

  clearHairpin(ports: readonly InterfaceName[]): Promise<void> {
    return runBatch(
      "bridge",
      ports.map((port) => `link set dev ${port} hairpin off\n`),
    );
  }

  enslave(taps: readonly BridgePort[]): Promise<void> {
    return runBatch(
      "ip",
      taps.map(({ tap, bridge }) => `link set dev ${tap} master ${bridge}\n`),
    );
  }
}

/** `-force` goes on after a line that fails: a tap may end between listing and change. */
function runBatch(program: "bridge" | "ip", lines: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, ["-force", "-batch", "-"], (error, _stdout, stderr) => {
      const words = error === null ? [] : refusals(stderr.trim() || error.message);
      if (words.length === 0) resolve();
      else reject(new LinkError(`${program} link set: ${words.join("; ")}`));
    });
    child.stdin?.on("error", () => undefined).end(lines.join(""));
  });
}

/** What is more than a port that is gone: iproute2 6.1 names it, and then the number of the line. */
function refusals(words: string): readonly string[] {
  return words
    .split("\n")
    .filter((line) => !/^Cannot find (bridge )?device|^Command failed -:\d+$/.test(line));
}

/** Empty where br_netfilter is not loaded. */
async function readSetting(name: string): Promise<string> {
  try {
    return (await readFile(`/proc/sys/net/bridge/${name}`, "utf8")).trim();
  } catch {
    return "";
  }
}

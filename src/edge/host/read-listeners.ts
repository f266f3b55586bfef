import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { parseAddress } from "../../base/address.ts";
import { defined } from "../../base/defined.ts";
import type { Listener } from "../../ports/host-facts.ts";
import { SourceError } from "../../ports/sources.ts";

const run = promisify(execFile);

/** Sockets of TCP and UDP that wait for anybody, in this namespace, by iproute2's `ss`. Throws {@link SourceError}. */
export async function readListeners(): Promise<readonly Listener[]> {
  try {
    const { stdout } = await run("ss", ["-H", "-l", "-n", "-t", "-u", "-p"], {
      maxBuffer: 64 << 20,
      env: { ...process.env, LC_ALL: "C" },
    });
    return stdout.split("\n").flatMap(readLine);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") {
      throw new SourceError("ss is not installed", { missing: "iproute2", cause });
    }
    throw new SourceError(`ss failed: ${(cause as Error).message}`, { cause });
  }
}

/** `tcp LISTEN 0 128 0.0.0.0%eth0:80 0.0.0.0:* users:(("nginx",pid=7,fd=5))`; `*` is both families, `[::]` IPv6 alone. */
function readLine(line: string): Listener[] {
  const match = /^(tcp|udp)\s+\S+\s+\d+\s+\d+\s+(\S+?)(?:%([^\s:]+))?:(\d+)\s/.exec(line);
  if (match === null) return [];
  const [, protocol, host = "", device, port] = match;
  const text = host.replace(/^\[(.*)\]$/, "$1");
  const families = text === "*" ? ([4, 6] as const) : ([text.includes(":") ? 6 : 4] as const);
  const isAny = ["*", "0.0.0.0", "::"].includes(text);
  const address = isAny ? undefined : parseAddress(text);
  // Mapped addresses and the like: nothing that a publication could name.
  if (!isAny && address === undefined) return [];
  const program = /users:\(\("([^"]*)"/.exec(line)?.[1];
  return [
    defined({
      protocol: protocol === "tcp" ? ("tcp" as const) : ("udp" as const),
      address,
      families,
      device,
      port: Number(port),
      program,
    }),
  ];
}

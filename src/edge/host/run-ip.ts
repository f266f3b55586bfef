import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SourceError } from "../../ports/sources.ts";

const run = promisify(execFile);

/** What `ip -j` lists. Throws {@link SourceError}. */
export async function runIp<Row>(args: readonly string[]): Promise<Row[]> {
  try {
    const { stdout } = await run("ip", ["-j", ...args], { maxBuffer: 256 << 20 });
    // A listing of nothing prints nothing at all for routes (iproute2 6.1).
    return stdout.trim() === "" ? [] : (JSON.parse(stdout) as Row[]);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") {
      throw new SourceError("ip is not installed", { missing: "iproute2", cause });
    }
    throw new SourceError(`ip ${args.join(" ")} failed: ${(cause as Error).message}`, { cause });
  }
}

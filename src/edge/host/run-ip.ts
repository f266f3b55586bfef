import { SourceError } from "../../ports/sources.ts";
import { runApart } from "./run-apart.ts";

/** What `ip -j` lists. Throws {@link SourceError}. */
export function runIp<Row>(args: readonly string[]): Promise<Row[]> {
  return list<Row>("ip", args);
}

/** What iproute2's `bridge -j` lists. Throws {@link SourceError}. */
export function runBridge<Row>(args: readonly string[]): Promise<Row[]> {
  return list<Row>("bridge", args);
}

async function list<Row>(program: "ip" | "bridge", args: readonly string[]): Promise<Row[]> {
  try {
    const stdout = await runApart(program, ["-j", ...args]);
    // A listing of nothing prints nothing at all for routes (iproute2 6.1).
    return stdout.trim() === "" ? [] : (JSON.parse(stdout) as Row[]);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") {
      throw new SourceError(`${program} is not installed`, { missing: "iproute2", cause });
    }
    throw new SourceError(`${program} ${args.join(" ")} failed: ${(cause as Error).message}`, {
      cause,
    });
  }
}

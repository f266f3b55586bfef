import { readdir, readFile } from "node:fs/promises";

export interface FoundProcess {
  readonly name: string;
  readonly pid: number;
  /** In ms since the epoch, true to about 20 ms. */
  readonly startedAt: number;
}

/** Linux tells user space of 100 ticks a second, whatever the kernel counts. */
const tickMs = 10;

/** Processes of this PID namespace that bear one of the names. */
export async function findProcesses(names: readonly string[]): Promise<FoundProcess[]> {
  const uptimeMs = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 1000;
  const bootedAt = Date.now() - uptimeMs;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Ended meanwhile.
      const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
      // The name may hold anything, brackets too; field 22 of proc(5), the 20th after the name, is the start.
      const [, name = "", rest = ""] = /^\d+ \((.*)\) (.*)$/s.exec(stat) ?? [];
      const ticks = Number(rest.split(" ")[19]);
      return { name, pid: Number(pid), startedAt: bootedAt + ticks * tickMs };
    }),
  );
  return found.filter(({ name }) => names.includes(name));
}

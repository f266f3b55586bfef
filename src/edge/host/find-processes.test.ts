import { spawn } from "node:child_process";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findProcesses } from "./find-processes.ts";

test("a process is found by its name, whatever is in it, with the time of its start", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const name = "odd ) 1 2 (x";
  await copyFile("/bin/sleep", join(folder, name));
  const before = Date.now();
  const child = spawn(join(folder, name), ["60"]);
  const after = Date.now();
  try {
    await expect.poll(() => findProcesses([name])).toHaveLength(1);
    const [found] = await findProcesses(["nobody", name]);
    expect(found).toMatchObject({ name, pid: child.pid });
    expect(found?.startedAt).toBeGreaterThan(before - 1000);
    expect(found?.startedAt).toBeLessThan(after + 1000);
    expect(await findProcesses(["odd"])).toEqual([]);
  } finally {
    child.kill();
    await rm(folder, { recursive: true });
  }
});

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runExplain } from "./run-explain.ts";

const call = {
  protocol: "tcp",
  from: "--help",
  to: "host:22",
  state: "new",
  json: false,
} as const;

/** Node itself, which is given the words behind a script of its own. */
const script = (text: string) => [process.execPath, "-e", text, "--"];

test("words are handed on as arguments that are no options, and the answer with its status", async () => {
  const command = script("console.log(process.argv.slice(1).join()); process.exitCode = 1");
  expect(await runExplain(call, ["--socket=/x"], { command })).toEqual({
    status: 1,
    out: "explain,--socket=/x,--state=new,--,tcp,--help,host:22\n",
    err: "",
  });
});

test("it stands back behind the daemon", async () => {
  const text = `const { readFileSync } = require("node:fs");
    const look = () => {
      const [score, priority] = [readFileSync("/proc/self/oom_score_adj", "utf8").trim(), os.getPriority()];
      if (score === "1000" && priority === 10) console.log("behind");
      else setTimeout(look, 5);
    };
    look();`;
  expect(await runExplain(call, [], { command: script(text) })).toMatchObject({ out: "behind\n" });
});

test("one that does not end is ended, and is no answer", async () => {
  const command = script("setInterval(() => undefined, 1000)");
  await expect(runExplain(call, [], { command, patienceMs: 50 })).rejects.toThrow("no answer");
});

test("one that nobody waits for any more is ended", async () => {
  const folder = mkdtempSync(join(tmpdir(), "virtwall-explain-"));
  try {
    const begun = join(folder, "begun");
    const text = `require("fs").writeFileSync(${JSON.stringify(begun)}, String(process.pid));
      setInterval(() => undefined, 1000)`;
    const asker = new AbortController();
    const asked = runExplain(call, [], { command: script(text), end: asker.signal });
    const pid = () => Number(existsSync(begun) && readFileSync(begun, "utf8"));
    await expect.poll(pid, { timeout: 30_000 }).toBeGreaterThan(0);
    asker.abort();
    await expect(asked).rejects.toThrow("no answer");
    const isThere = () => existsSync(`/proc/${pid()}/stat`);
    await expect.poll(isThere, { timeout: 30_000 }).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import { expect, test } from "vitest";
import { ProgramError, runApart } from "./run-apart.ts";

const shell = (script: string, input?: string) =>
  runApart("sh", ["-c", script], input === undefined ? {} : { input });

test("a program runs in a session of its own, so ^C at our terminal is not for it", async () => {
  // proc(5): the sixth field is the session.
  const [session, own] = (await shell("cut -d' ' -f6 /proc/$$/stat; echo $$")).split("\n");
  expect(session).toBe(own);
});

test("what it prints is given, and what it reads may be more than it wants", async () => {
  expect(await shell("read line; echo $line", `first\n${"x".repeat(1_000_000)}`)).toBe("first\n");
});

test("why it failed is told in its words, or by its status", async () => {
  await expect(shell("echo no such guest >&2; exit 3")).rejects.toThrow("no such guest");
  await expect(shell("exit 3")).rejects.toThrow("it ended with 3");
  await expect(shell("kill -9 $$")).rejects.toThrow("it ended with SIGKILL");
  const missing = await runApart("no-such-program-of-virtwall", []).catch(
    (error: unknown) => error,
  );
  expect(missing).toBeInstanceOf(ProgramError);
  expect(missing).toMatchObject({ code: "ENOENT" });
});

test("one that takes too long is ended", async () => {
  await expect(runApart("sleep", ["60"], { timeoutMs: 50 })).rejects.toThrow("SIGTERM");
});

test("one that prints too much is ended, and what it printed is given", async () => {
  const script = "head -c 100000 /dev/zero; exec sleep 60";
  const text = await runApart("sh", ["-c", script], { mostBytes: 50_000 });
  expect(text.length).toBeGreaterThanOrEqual(50_000);
});

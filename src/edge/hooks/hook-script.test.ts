import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DaemonRequest } from "../../wire/daemon-protocol.ts";
import type { HookResult } from "../../wire/hook-call.ts";
import { serveDaemon } from "../socket/daemon-server.ts";
import { printHookScript } from "./hook-script.ts";

const hostileName = `../x'"\\$(touch evil)\u00fc ${"n".repeat(250)}`;

let folder: string;
let socket: string;
let endServer: () => Promise<void>;
let requests: DaemonRequest[];
let result: HookResult | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "it's-"));
  socket = join(folder, "virtwall.sock");
  requests = [];
  result = { state: "ready" };
  endServer = await serveDaemon(socket, (request, reply) => {
    requests.push(request);
    if (result) reply({ kind: "hook", result });
    return undefined;
  });
  // A machine without perl.
  await mkdir(join(folder, "bin"));
  await symlink("/bin/sh", join(folder, "bin/sh"));
});

afterEach(async () => {
  await endServer();
  await rm(folder, { recursive: true });
});

interface Called {
  readonly words: readonly string[];
  readonly xml?: string | Buffer;
  readonly driver?: "qemu" | "network";
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

async function demand(...names: readonly string[]): Promise<void> {
  const lines = names.map((name) => `${Buffer.from(name).toString("hex")}\n`);
  await writeFile(join(folder, "required"), lines.join(""));
}

describe.each(["perl", "node"])("the hook's client in %s", (language) => {
  async function call({ words, xml = "<domain/>", driver = "qemu" }: Called): Promise<Ended> {
    const file = join(folder, "hook");
    const requiredFile = join(folder, "required");
    const paths = { daemonSocket: socket, requiredFile, node: process.execPath };
    await writeFile(file, printHookScript(driver, paths));
    const path = language === "perl" ? "/usr/bin:/bin" : join(folder, "bin");
    const started = performance.now();
    // By the shell's name: a file that was just written may still be open in a child that another test forks.
    const child = spawn("/bin/sh", [file, ...words], {
      env: { LC_ALL: "C", PATH: path },
      cwd: folder,
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(xml);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (text) => (stdout += String(text)));
    child.stderr.on("data", (text) => (stderr += String(text)));
    const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { status, stdout, stderr, tookMs: performance.now() - started };
  }

  const start = ["web1", "start", "begin", "-"];

  test("hands over words and XML as they are, and prints nothing", async () => {
    const xml = "<domain>\n\t'\u00fc\u{1f600}' \"\\\0\r\n</domain>";
    const ended = await call({ words: [hostileName, "start", "begin", "-"], xml });
    expect(ended).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const [request] = requests;
    expect(request).toMatchObject({
      request: "hook",
      call: { driver: "qemu", object: hostileName, operation: "start", subOperation: "begin", xml },
    });
  });

  test("hands over what is not UTF-8 as something of which nothing may be made", async () => {
    await call({ words: start, xml: Buffer.from([0x3c, 0xff, 0xfe]) });
    expect(requests).toMatchObject([{ call: { object: "web1", fault: expect.any(String) } }]);
  });

  test("hands over no more than 4 MiB", async () => {
    const whole = `<domain>${" ".repeat(4 * 1024 * 1024 - 17)}</domain>`;
    await call({ words: start, xml: whole });
    await call({ words: start, xml: `${whole} ` });
    expect(requests).toMatchObject([
      { call: { xml: whole } },
      { call: { xml: "", fault: expect.stringContaining("longer than 4194304 bytes") } },
    ]);
    expect(requests[0]).not.toHaveProperty("call.fault");
  });

  test("lets a guest start whose rules do not stand, unless it is required", async () => {
    result = { state: "failed", reason: 'nft said "no", twice' };
    await demand("other", "web10", "xweb1");
    expect(await call({ words: start })).toMatchObject({ status: 0, stderr: "" });
    await demand("other", "web1");
    const refused = await call({ words: start });
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toContain("this guest is required and its rules do not stand: nft said");
    expect(await call({ words: ["web1", "prepare", "begin", "-"] })).toMatchObject({ status: 1 });
  });

  test("takes a guest for required whose own XML says so", async () => {
    result = { state: "failed", reason: "no" };
    const xml = (word: string) =>
      `<domain><metadata><virtwall:guest xmlns:virtwall="https://virtwall.dev/guest/1">\n` +
      `<virtwall:required> ${word} </virtwall:required></virtwall:guest></metadata></domain>`;
    expect(await call({ words: start, xml: xml("true") })).toMatchObject({ status: 1 });
    expect(await call({ words: start, xml: xml("false") })).toMatchObject({ status: 0 });
    const foreign = xml("true").replace("virtwall.dev", "example.org");
    expect(await call({ words: start, xml: foreign })).toMatchObject({ status: 0 });
  });

  test.each([
    "started",
    "stopped",
    "release",
    "reconnect",
    "migrate",
    "restore",
    "attach",
    "",
    "x\nstart",
  ])("never fails on %j", async (operation) => {
    result = { state: "failed", reason: "no" };
    await demand("web1", "default");
    expect(await call({ words: ["web1", operation, "begin", "-"] })).toMatchObject({ status: 0 });
    const network = { words: ["default", "start", "begin", "-"], driver: "network" } as const;
    expect(await call(network)).toMatchObject({ status: 0 });
  });

  test("never fails when it is called without words", async () => {
    expect(await call({ words: [] })).toMatchObject({ status: 0, stdout: "" });
  });

  test("finds a hostile name among the required ones", async () => {
    result = { state: "failed", reason: "no" };
    await demand(hostileName);
    expect(await call({ words: [hostileName, "start", "begin", "-"] })).toMatchObject({
      status: 1,
    });
    await expect(readFile(join(folder, "evil"))).rejects.toThrow("ENOENT");
  });

  test("without a daemon it ends at once, and refuses only a required guest", async () => {
    await endServer();
    expect(await call({ words: start })).toMatchObject({ status: 0 });
    // One that waited for an answer would never take less than its two seconds; a busy machine gives it a few tries.
    const tookMs = async () => (await call({ words: start })).tookMs;
    await expect.poll(tookMs).toBeLessThan(1900);
    await demand("web1");
    const refused = await call({ words: start });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("does not answer");
  });

  test("waits two seconds for a daemon that says nothing", async () => {
    result = undefined;
    await demand("web1");
    const [required, other] = await Promise.all([
      call({ words: start }),
      call({ words: ["web2", "start", "begin", "-"] }),
    ]);
    expect(required).toMatchObject({ status: 1, stdout: "" });
    expect(required.stderr).toContain("did not answer in 2 s");
    expect(other).toMatchObject({ status: 0, stderr: "" });
    expect(other.tookMs).toBeGreaterThan(1900);
    // It ends by itself: how soon is up to the machine.
    expect(Math.max(required.tookMs, other.tookMs)).toBeLessThan(10_000);
  });

  test("takes a daemon that breaks off, or talks nonsense, for one that does not answer", async () => {
    await endServer();
    await demand("web1");
    for (const [bytes, words] of [
      ["", "the daemon broke off"],
      ['{"kind":"refused","message":"starting"}\n', "starting"],
      ["}\n", ""],
    ] as const) {
      const server = createServer((client) => client.once("data", () => client.end(bytes)));
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      const refused = await call({ words: start });
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain(`do not stand: ${words}`);
      await new Promise((resolve) => server.close(resolve));
    }
    endServer = async () => undefined;
  });
});

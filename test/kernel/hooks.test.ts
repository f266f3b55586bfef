import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { runProgram, type ProgramResult } from "../../lab/run-program.ts";
import { buildPrograms, holds, nft, Site, until, type RunningDaemon } from "./daemon-program.ts";

const policy = `networks:
  front: { mode: nat }
guests:
  new1:
    required: true
    publish:
      - { address: 198.51.100.1, ports: [tcp/7070:70] }
    nics:
      "52:54:00:20:00:77": { address: 10.20.0.77 }
`;

let site: Site;
let daemon: RunningDaemon;
let hooks: string;

beforeAll(buildPrograms);

beforeEach(async () => {
  site = new Site(policy);
  hooks = join(site.folder, "hooks");
  expect(site.run(["hook", "install", "--hooks-dir", hooks])).toMatchObject({ status: 0 });
  daemon = await site.start();
});

afterEach(() => site.close());

function xmlOf(name: string): string {
  return `<domain type='kvm' id='7'><name>${name}</name>
  <uuid>00000000-0000-4000-8000-000000000077</uuid><devices>
    <interface type='network'><mac address='52:54:00:20:00:77'/>
      <source network='front' bridge='virbr20'/><target dev='vnet77'/></interface>
  </devices></domain>`;
}

interface Ended extends ProgramResult {
  readonly tookMs: number;
}

/** As libvirt runs it. */
async function hook(
  operation: string,
  { guest = "new1", xml = xmlOf(guest), driver = "qemu" } = {},
): Promise<Ended> {
  const began = performance.now();
  const words = [guest, operation, "begin", "-"];
  const env = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" };
  const argv = [join(hooks, `${driver}.d/virtwall`), ...words];
  const ended = await runProgram(argv, { env, input: xml });
  return { ...ended, tookMs: performance.now() - began };
}

/** To be asked for until it is short enough: a busy machine makes a hook take longer, and nothing makes it shorter than its patience. */
async function longestOf(asked: () => Promise<readonly Ended[]>): Promise<number> {
  return Math.max(...(await asked()).map(({ tookMs }) => tookMs));
}

const isPublished = () => holds("198.51.100.1 . tcp . 7070 : 10.20.0.77 . 70");
const isTapKnown = () => nft("list", "table", "bridge", "virtwall").includes("vnet77");

test("when the hook of a guest's start has ended, its rules stand, and when that of its stop has, they are gone", async () => {
  for (const operation of ["prepare", "start", "started"]) {
    expect(await hook(operation)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect([isPublished(), isTapKnown()]).toEqual([true, true]);
  }
  expect(site.status().publications).toContainEqual(
    expect.objectContaining({ guest: "new1", state: "active" }),
  );
  expect(await hook("stopped")).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect([isPublished(), isTapKnown()]).toEqual([false, false]);
  expect(await hook("release")).toMatchObject({ status: 0 });
  expect(daemon.output).toContain("guest 'new1' starts: its rules stand");
});

test("a guest that the inventory names afterwards stays, and one that it does not name goes with its hook", async () => {
  await hook("start");
  writeFileSync(join(site.inventory, "domains/new1.xml"), xmlOf("new1"));
  expect(site.run(["apply"])).toMatchObject({ status: 0 });
  expect(isPublished()).toBe(true);
  rmSync(join(site.inventory, "domains/new1.xml"));
  await until(() => !isPublished());
});

test.each([
  ["truncated", xmlOf("new1").slice(0, 120), "new1"],
  ["longer than 4 MiB", `${xmlOf("new1")}${" ".repeat(4 * 1024 * 1024)}`, "new1"],
  ["with another guest's name", xmlOf("web1"), "new1"],
])(
  "XML that is %s opens nothing, refuses a required guest and is told in the log",
  async (_name, xml, guest) => {
    const ended = await hook("start", { guest, xml });
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain("this guest is required");
    expect([isPublished(), isTapKnown()]).toEqual([false, false]);
    await daemon.said("hook-refused");
    expect(site.status().policy.inForce).toBe("current");
  },
);

test("guests of odd names neither confuse the hook nor the daemon", async () => {
  const names = [
    "../x",
    "it's",
    'a"b',
    "line\nfeed",
    "n".repeat(250),
    "g\u00e4st\u202e",
    "$(id)",
    "-e",
  ];
  for (const guest of names) {
    const xml = xmlOf(guest.replaceAll('"', "&quot;"));
    const started = await hook("start", { guest, xml });
    expect(started).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(isTapKnown()).toBe(!/[/\n]/.test(guest));
    expect(await hook("stopped", { guest, xml })).toMatchObject({ status: 0, stdout: "" });
    expect(isTapKnown()).toBe(false);
  }
  expect(await hook("start")).toMatchObject({ status: 0 });
  expect(isPublished()).toBe(true);
});

test("a stop without a start, the same start twice and a late `started` do no harm", async () => {
  expect(await hook("stopped", { guest: "never" })).toMatchObject({ status: 0 });
  await daemon.said("guest 'never' has stopped, unknown so far");
  await hook("start");
  await hook("start");
  expect(isPublished()).toBe(true);
  await hook("stopped");
  await hook("started");
  expect(isPublished()).toBe(true);
});

test("a network's hooks are answered, whatever their XML", async () => {
  for (const xml of ["<hookData><network/></hookData>", "<hookData", ""]) {
    const ended = await hook("started", { driver: "network", guest: "front", xml });
    expect(ended).toMatchObject({ status: 0, stdout: "", stderr: "" });
  }
});

test("a daemon that hangs holds libvirt up for two seconds, and keeps only a required guest from starting", async () => {
  daemon.child.kill("SIGSTOP");
  try {
    const asked = () =>
      Promise.all([hook("start"), hook("start", { guest: "web9" }), hook("reconnect")]);
    const [required, other, reconnect] = await asked();
    expect(required.status).toBe(1);
    expect(required.stderr).toContain("did not answer in 2 s");
    expect([other.status, reconnect.status]).toEqual([0, 0]);
    for (const { tookMs } of [required, other, reconnect]) expect(tookMs).toBeGreaterThan(1900);
    await expect.poll(() => longestOf(asked)).toBeLessThan(2200);
  } finally {
    daemon.child.kill("SIGCONT");
  }
});

test("without a daemon, before and after its socket is gone, only a required guest is refused, at once", async () => {
  await daemon.kill("SIGKILL");
  for (const isGone of [false, true]) {
    if (isGone) rmSync(site.socket);
    for (const operation of ["stopped", "release", "reconnect", "migrate", "restore", "started"]) {
      expect(await hook(operation)).toMatchObject({ status: 0, stdout: "" });
    }
    const asked = async () => [await hook("start"), await hook("start", { guest: "web9" })];
    expect((await asked()).map(({ status }) => status)).toEqual([1, 0]);
    await expect.poll(() => longestOf(asked)).toBeLessThan(500);
  }
});

test("a socket on which somebody listens and nobody answers is waited for two seconds", async () => {
  await daemon.kill("SIGKILL");
  rmSync(site.socket);
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(site.socket, resolve));
  const asked = () => hook("start");
  expect(await asked()).toMatchObject({ status: 1 });
  await expect.poll(() => longestOf(async () => [await asked()])).toBeLessThan(2200);
  server.close();
  rmSync(site.socket, { force: true });
});

test("the list of required guests follows the policy and outlives the daemon", async () => {
  const listed = () => readFileSync(join(site.state, "required"), "utf8");
  expect(listed()).toBe(`${Buffer.from("new1").toString("hex")}\n`);
  site.writePolicy(policy.replace("required: true", "required: false"));
  await until(() => listed() === "");
  await daemon.kill("SIGKILL");
  expect(await hook("start")).toMatchObject({ status: 0 });
});

test("a hook that comes while the daemon starts is answered when its rules stand", async () => {
  await daemon.kill("SIGTERM");
  const next = site.launch();
  await until(() => {
    try {
      return readFileSync(`/proc/${next.child.pid ?? 0}/net/unix`, "utf8").includes(
        join(dirname(site.socket), "virtwall.sock"),
      );
    } catch {
      return false;
    }
  });
  expect(await hook("start")).toMatchObject({ status: 0, stderr: "" });
  expect(isPublished()).toBe(true);
});

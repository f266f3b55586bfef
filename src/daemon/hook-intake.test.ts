import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { clientTimeoutS } from "../edge/hooks/hook-script.ts";
import type { LibvirtTexts } from "../model/source-text.ts";
import { FakeFirewalld } from "../ports/firewalld.fake.ts";
import { FakeKernel } from "../ports/kernel.fake.ts";
import { FakeLinks } from "../ports/links.fake.ts";
import { FakeHost, FakeLibvirt, FakePolicy } from "../ports/sources.fake.ts";
import { FakeState } from "../ports/state.fake.ts";
import { FakeXtables } from "../ports/xtables.fake.ts";
import type { HookCall, HookResult } from "../wire/hook-call.ts";
import { Follower } from "./follower.ts";
import { HookIntake } from "./hook-intake.ts";
import { Journal } from "./journal.ts";

/** libvirt while it runs a hook: what is asked about the guest is answered only after the hook. */
class BusyLibvirt extends FakeLibvirt {
  readings = 0;
  #release: (() => void) | undefined;
  #gate: Promise<void> | undefined;

  block(): void {
    this.#gate = new Promise((resolve) => (this.#release = resolve));
  }

  unblock(): void {
    this.#gate = undefined;
    this.#release?.();
  }

  override async read(): Promise<LibvirtTexts> {
    this.readings++;
    await this.#gate;
    return super.read();
  }
}

const noTexts = { networks: [], guests: [], leases: [] };

let libvirt: BusyLibvirt;
let host: FakeHost;
let kernel: FakeKernel;
let policy: FakePolicy;
let state: FakeState;
let journal: Journal;
let follower: Follower;
let intake: HookIntake;

beforeEach(() => {
  policy = new FakePolicy([
    { file: "policy.yaml", text: "guests: { web1: { required: true } }\n" },
  ]);
  libvirt = new BusyLibvirt(noTexts);
  host = new FakeHost([]);
  kernel = new FakeKernel();
  state = new FakeState();
  journal = new Journal();
  begin();
});

/** A daemon on the same kernel. */
function begin(): void {
  const sources = { policy, libvirt, host };
  follower = new Follower({
    sources,
    kernel,
    xtables: new FakeXtables(),
    firewalld: new FakeFirewalld(),
    links: new FakeLinks(),
    state,
    journal,
  });
  intake = new HookIntake(follower, journal);
}

afterEach(() => {
  libvirt.unblock();
  follower.end();
});

const uuid = "00000000-0000-4000-8000-000000000001";
const otherUuid = "00000000-0000-4000-8000-000000000002";

function xmlOf(name: string, tap = "vnet0"): string {
  return `<domain type='kvm' id='1'><name>${name}</name><uuid>${uuid}</uuid><devices>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='${tap}'/></interface>
  </devices></domain>`;
}

function call(operation: string, changes: Partial<HookCall> = {}): HookCall {
  const object = changes.object ?? "web1";
  const xml = xmlOf(object);
  return { driver: "qemu", object, operation, subOperation: "begin", extra: "-", xml, ...changes };
}

const tapsInForce = () =>
  follower.beliefs.decision?.desired?.inventory.guests.flatMap(({ nics }) =>
    nics.map(({ tap }) => tap),
  );
const lastEvent = () => journal.events.at(-1);

test("the start of a guest is answered once the kernel took its rules, without a question to libvirt", async () => {
  await follower.start();
  libvirt.block();
  const before = kernel.scripts.length;
  expect(await intake.take(call("start"))).toEqual({ state: "ready" });
  expect(tapsInForce()).toEqual(["vnet0"]);
  expect(kernel.scripts.length).toBe(before + 1);
  expect(kernel.scripts.at(-1)).toContain("vnet0");
  expect(lastEvent()).toMatchObject({ level: "info", event: "guest-starts" });
});

test("a hook is not kept waiting by a question that libvirt answers only after it", async () => {
  await follower.start();
  libvirt.block();
  const { readings } = libvirt;
  libvirt.set(noTexts);
  await expect.poll(() => libvirt.readings).toBeGreaterThan(readings);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let result: HookResult | undefined;
  try {
    void intake.take(call("start")).then((told) => (result = told));
    await vi.advanceTimersByTimeAsync(499);
  } finally {
    vi.useRealTimers();
  }
  expect(result).toEqual({ state: "ready" });
  expect(tapsInForce()).toEqual(["vnet0"]);
});

test("who asks for everything waits for libvirt all the same, and gets what it says then", async () => {
  await follower.start();
  libvirt.block();
  let isDone = false;
  const whole = follower.converge().then(() => (isDone = true));
  await intake.take(call("start"));
  await intake.take(call("started"));
  expect(isDone).toBe(false);
  libvirt.set({ ...noTexts, guests: [{ file: "web1.xml", text: xmlOf("web1", "vnet7") }] });
  libvirt.unblock();
  await whole;
  await expect.poll(tapsInForce).toEqual(["vnet7"]);
});

test("the guest stays while libvirt does not list it, and is libvirt's once it does", async () => {
  await follower.start();
  await intake.take(call("start"));
  libvirt.set(noTexts);
  await follower.converge();
  expect(tapsInForce()).toEqual(["vnet0"]);
  libvirt.set({ ...noTexts, guests: [{ file: "web1.xml", text: xmlOf("web1") }] });
  await follower.converge();
  libvirt.set(noTexts);
  await follower.converge();
  expect(tapsInForce()).toEqual([]);
});

test("the same event twice, and events out of order, end where the last word leads", async () => {
  await follower.start();
  const operations = ["started", "start", "start", "prepare", "release", "stopped", "stopped"];
  for (const operation of operations) {
    expect(await intake.take(call(operation))).toEqual({ state: "ready" });
  }
  expect(tapsInForce()).toEqual([]);
  expect(await intake.take(call("reconnect"))).toEqual({ state: "ready" });
  expect(tapsInForce()).toEqual(["vnet0"]);
});

test("the same XML again writes nothing to the kernel", async () => {
  await follower.start();
  await intake.take(call("start"));
  const before = kernel.scripts.length;
  await intake.take(call("started"));
  expect(kernel.scripts.length).toBe(before);
});

test("a guest that libvirt lists is out of force as soon as it has stopped", async () => {
  libvirt.set({ ...noTexts, guests: [{ file: "web1.xml", text: xmlOf("web1") }] });
  await follower.start();
  libvirt.block();
  await intake.take(call("stopped", { xml: "" }));
  expect(tapsInForce()).toEqual([]);
  expect(journal.events.map(({ message }) => message)).toContain("guest 'web1' has stopped");
});

test("a stop without a start is told, and does no harm", async () => {
  await follower.start();
  const before = kernel.scripts.length;
  expect(await intake.take(call("stopped", { object: "../x\n" }))).toEqual({ state: "ready" });
  expect(kernel.scripts.length).toBe(before);
  expect(lastEvent()?.message).toBe("guest '../x\\x0a' has stopped, unknown so far");
});

test.each([
  ["truncated", { xml: xmlOf("web1").slice(0, 150) }, "unclosed"],
  ["empty", { xml: "" }, "Root element"],
  ["not a guest's", { xml: "<network/>" }, "not <domain>"],
  ["of another guest", { object: "web2", xml: xmlOf("web1") }, "is that of guest 'web1'"],
  ["too long", { fault: "its XML is longer than 4194304 bytes", xml: "" }, "longer than"],
  ["not UTF-8", { fault: "its name or XML is not UTF-8" }, "not UTF-8"],
  ["with a DTD", { xml: `<!DOCTYPE x>${xmlOf("web1")}` }, "document type"],
  ["of a guest with a path for a name", { object: "../x" }, "is not a name that libvirt allows"],
  [
    "of a guest with a newline in its name",
    { object: "a\nb" },
    "is not a name that libvirt allows",
  ],
] as const)(
  "XML that is %s is refused with its reason, and nothing of it is in force",
  async (_name, changes, reason) => {
    await follower.start();
    const before = kernel.scripts.length;
    const result = await intake.take(call("start", changes));
    expect(result).toMatchObject({
      state: "failed",
      reason: expect.stringMatching(new RegExp(reason, "i")),
    });
    expect(kernel.scripts.length).toBe(before);
    expect(tapsInForce()).toEqual([]);
    expect(lastEvent()).toMatchObject({ level: "error", event: "hook-refused" });
    expect(lastEvent()?.message).toMatch(
      /^libvirt's hook 'start' for guest '.+': .+: what was known before stays in force$/,
    );
  },
);

test.each(["quotes ' and \"", "\u00fc\u{1f600}", "n".repeat(250), "$(reboot)", "a b; drop"])(
  "a guest named %j is followed from start to stop",
  async (object) => {
    await follower.start();
    const escaped = object.replaceAll('"', "&quot;");
    const named = { object, xml: xmlOf(escaped) };
    expect(await intake.take(call("start", named))).toEqual({ state: "ready" });
    expect(tapsInForce()).toEqual(["vnet0"]);
    expect(await intake.take(call("stopped", named))).toEqual({ state: "ready" });
    expect(tapsInForce()).toEqual([]);
  },
);

test("broken XML of a guest that is known leaves what is known of it in force", async () => {
  await follower.start();
  await intake.take(call("start"));
  expect(await intake.take(call("started", { xml: "<domain" }))).toMatchObject({ state: "failed" });
  expect(tapsInForce()).toEqual(["vnet0"]);
});

test("a kernel that refuses is told to libvirt", async () => {
  await follower.start();
  kernel.commitFailure = "line 1: Operation not supported";
  const result = await intake.take(call("start"));
  expect(result).toMatchObject({
    state: "failed",
    reason: expect.stringContaining("Operation not supported"),
  });
});

test("libvirt at its start answers nobody before our answer: what hooks say of networks and guests is enough", async () => {
  libvirt.block();
  void follower.start();
  const network = `<network><name>lan</name><forward mode='nat'/><bridge name='br0'/>
    <ip address='192.0.2.1' prefix='24'/></network>`;
  const xml = `<hookData>\n  ${network}\n  <networkport><owner/></networkport></hookData>`;
  await intake.take(call("started", { driver: "network", object: "lan", xml }));
  const other = {
    object: "web2",
    xml: xmlOf("web2", "vnet2").replaceAll("01'", "02'").replace(uuid, otherUuid),
  };
  expect(await intake.take(call("start"))).toEqual({ state: "ready" });
  expect(await intake.take(call("start", other))).toEqual({ state: "ready" });
  expect(tapsInForce()).toEqual(["vnet0", "vnet2"]);
  expect(follower.beliefs.decision?.desired?.inventory.networks).toMatchObject([{ name: "lan" }]);
  libvirt.unblock();
  await follower.converge();
  expect(follower.beliefs.decision?.desired?.inventory.networks).toEqual([]);
  expect(tapsInForce()).toEqual(["vnet0", "vnet2"]);
});

test("hooks of networks whose names no file can bear tell of each by itself", async () => {
  libvirt.block();
  void follower.start();
  const tell = (name: string, id: string, bridge: string) => {
    const xml = `<hookData><network><name>${name}</name><uuid>${id}</uuid><bridge name='${bridge}'/></network></hookData>`;
    return intake.take(call("started", { driver: "network", object: name, xml }));
  };
  await tell("lan a", uuid, "not a name");
  await tell("lan b", otherUuid, "nor this one");
  await intake.take(call("start"));
  const files = follower.beliefs.decision?.problems.map(({ at }) => at.file);
  expect(files).toEqual([uuid, otherUuid].map((id) => `libvirt:network/${id}.xml`));
});

/** Into a libvirt that is busy, on a kernel that holds what a daemon put there, for a guest too. */
async function restart({ isSealed = false } = {}): Promise<void> {
  await follower.start();
  await intake.take(call("start"));
  kernel.tables = follower.beliefs.decision?.desired?.compiled.tables ?? [];
  if (isSealed) await follower.upkeep.seal();
  follower.end();
  begin();
  libvirt.block();
}

test("after a boot the kernel holds rules and knows no guest: what hooks say is enough", async () => {
  await follower.start();
  kernel.tables = follower.beliefs.decision?.desired?.compiled.tables ?? [];
  expect(kernel.tables.flatMap(({ chains }) => chains)).not.toEqual([]);
  follower.end();
  begin();
  libvirt.block();
  void follower.start();
  expect(await intake.take(call("start"))).toEqual({ state: "ready" });
  expect(tapsInForce()).toEqual(["vnet0"]);
});

test("while the kernel holds rules of before, libvirt is waited for, and the hook told in time", async () => {
  await restart();
  void follower.start();
  const result = await intake.take(call("start"));
  expect(result).toEqual({ state: "failed", reason: "not done within 1800 ms" });
  // The one who asks is still there to hear it.
  expect(1_800).toBeLessThan(clientTimeoutS * 1_000);
});

test("while the kernel holds rules of before, a hook is ready once libvirt was read", async () => {
  await restart();
  void follower.start();
  const taken = intake.take(call("start"));
  setTimeout(() => libvirt.unblock(), 20);
  expect(await taken).toEqual({ state: "ready" });
  expect(tapsInForce()).toEqual(["vnet0"]);
});

test("while the gate keeps a word for them, that is enough for a hook that comes before libvirt was read", async () => {
  await restart({ isSealed: true });
  const before = kernel.listings;
  void follower.start();
  const taken = intake.take(call("start"));
  setTimeout(() => libvirt.unblock(), 20);
  expect(await taken).toEqual({ state: "ready" });
  // Whether the kernel knows a guest at all.
  expect(kernel.listings).toBe(before + 1);
});

test("a word that is there no more when libvirt was read is not taken", async () => {
  await restart({ isSealed: true });
  const { readings } = libvirt;
  void follower.start();
  await expect.poll(() => libvirt.readings).toBeGreaterThan(readings);
  const taken = intake.take(call("start"));
  const { tables } = kernel;
  await kernel.removeTables();
  kernel.willBecome(tables);
  libvirt.unblock();
  expect(await taken).toEqual({ state: "ready" });
  expect(kernel.tables).toBe(tables);
});

test("a network's hook is answered at once, and libvirt is asked again after it", async () => {
  await follower.start();
  libvirt.block();
  const updated = call("updated", { driver: "network", object: "default", xml: "<hookData/>" });
  expect(await intake.take(updated)).toEqual({ state: "ready" });
  expect(libvirt.expected).toEqual([{ kind: "networks" }]);
  libvirt.set({ ...noTexts, guests: [{ file: "web1.xml", text: xmlOf("web1") }] });
  libvirt.unblock();
  await expect.poll(tapsInForce).toEqual(["vnet0"]);
});

test("what is known of a guest that a hook speaks of is asked for again", async () => {
  await follower.start();
  await intake.take(call("start"));
  await intake.take(call("release"));
  expect(libvirt.expected).toContainEqual({ kind: "guest", name: "web1" });
  const count = libvirt.expected.length;
  await intake.take(call("stopped"));
  expect(libvirt.expected.slice(count)).toEqual([{ kind: "guest", name: "web1" }]);
});

test.each(["restore", "migrate"])(
  "a %s that libvirt is yet to refuse, since the guest runs here, takes nothing away from it",
  async (operation) => {
    libvirt.set({ ...noTexts, guests: [{ file: "web1.xml", text: xmlOf("web1") }] });
    await follower.start();
    libvirt.block();
    const saved = xmlOf("web1").replace("<target dev='vnet0'/>", "").replace(" id='1'", "");
    expect(await intake.take(call(operation, { xml: saved }))).toEqual({ state: "ready" });
    expect(tapsInForce()).toEqual(["vnet0"]);
  },
);

test("a hook that a later libvirt brings is let pass, and told", async () => {
  expect(await intake.take(call("hibernate"))).toEqual({ state: "ready" });
  expect(lastEvent()).toMatchObject({ event: "hook-ignored" });
});

test("the required guests are kept for those who ask while the daemon cannot answer", async () => {
  await follower.start();
  expect(state.required).toEqual(["web1"]);
  policy.setText("guests: { web1: {}, web3: { required: true }, web2: { required: true } }\n");
  await follower.converge();
  expect(state.required).toEqual(["web2", "web3"]);
  policy.setText("guests: [");
  await follower.converge();
  expect(state.required).toEqual(["web2", "web3"]);
});

test("a tap that appears, moves or goes is a reason to ask libvirt", async () => {
  await follower.start();
  const tap = { name: "vnet0", addresses: [], hasDefaultRoute: false, kind: "tun" } as never;
  const inBridge = { ...(tap as object), master: "virbr0" } as never;
  for (const interfaces of [[tap], [inBridge], [inBridge], []]) {
    host.set(interfaces);
    await follower.converge();
  }
  const moved = { kind: "taps", taps: ["vnet0"], gone: [] };
  expect(libvirt.expected).toEqual([moved, moved, { ...moved, gone: ["vnet0"] }]);
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defined } from "../base/defined.ts";
import { parseInterfaceName, type InterfaceName } from "../base/interface-name.ts";
import { compile } from "../compile/compile.ts";
import type { Table } from "../nft/ast.ts";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { FakeFirewalld } from "../ports/firewalld.fake.ts";
import { FakeKernel } from "../ports/kernel.fake.ts";
import { FakeLinks } from "../ports/links.fake.ts";
import { FakeFilters, FakeHost, FakeLibvirt, FakePolicy } from "../ports/sources.fake.ts";
import { FakeState } from "../ports/state.fake.ts";
import { FakeXtables } from "../ports/xtables.fake.ts";
import { Follower, type FollowerPorts } from "./follower.ts";
import { Journal } from "./journal.ts";

const noTexts = { networks: [], guests: [], leases: [] };

let policy: FakePolicy;
let libvirt: FakeLibvirt;
let filters: FakeFilters;
let kernel: FakeKernel;
let state: FakeState;
let firewalld: FakeFirewalld;
let links: FakeLinks;
let journal: Journal;
let ports: () => FollowerPorts;
let follower: Follower;

beforeEach(() => {
  policy = new FakePolicy([{ file: "policy.yaml", text: withMark(1) }]);
  libvirt = new FakeLibvirt(noTexts);
  filters = new FakeFilters({ filters: [], ownFilters: [] });
  kernel = new FakeKernel();
  state = new FakeState();
  journal = new Journal();
  const sources = { policy, libvirt, filters, host: new FakeHost([]) };
  const xtables = new FakeXtables();
  links = new FakeLinks();
  firewalld = new FakeFirewalld();
  ports = () => ({ sources, kernel, xtables, firewalld, links, state, journal });
  follower = new Follower(ports());
});

afterEach(() => follower.end());

function withMark(bit: number): string {
  return `host: { mark: 0x${bit}0000000 }\n`;
}

function tablesOf(text: string): readonly Table[] {
  const { inventory } = parseInventory(noTexts, []);
  return compile(parsePolicy([{ file: "policy.yaml", text }]).policy, inventory).tables;
}

const events = () => journal.events.map(({ event }) => event);

test("the first round brings the kernel to what is desired, in one transaction, and saves the policy", async () => {
  kernel.willBecome(tablesOf(withMark(1)));
  const outcome = await follower.start();
  await follower.converged;
  expect(outcome.errors).toEqual([]);
  expect(kernel.scripts).toHaveLength(1);
  expect(state.saved?.policy).toEqual([{ file: "policy.yaml", text: withMark(1) }]);
});

test("a kernel that holds it already is not written to, and the echo of a commit neither", async () => {
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  expect(kernel.scripts).toEqual([]);
  kernel.change(kernel.tables);
  kernel.willBecome(tablesOf(withMark(2)));
  policy.setText(withMark(2));
  await expect.poll(() => kernel.scripts.length).toBe(1);
  await follower.converge();
  expect(kernel.scripts).toHaveLength(1);
});

/** A daemon that has ended in good order. */
async function leaveSealed(): Promise<void> {
  kernel.willBecome(tablesOf(withMark(1)));
  await follower.start();
  follower.end();
  await follower.upkeep.seal();
}

test("a restart takes the gate's word for what it left, and looks once guests need not wait", async () => {
  await leaveSealed();
  const before = kernel.listings;
  follower = new Follower(ports());
  await follower.start();
  await follower.converged;
  expect(kernel.listings).toBe(before);
  // Something that the gate does not know of.
  kernel.tables = [];
  void follower.makeSure();
  kernel.willBecome(tablesOf(withMark(1)));
  await expect.poll(() => kernel.scripts.length).toBe(2);
  expect(kernel.listings).toBeGreaterThan(before);
});

test("a hook right after such a restart waits for no listing that only makes sure", async () => {
  await leaveSealed();
  let isListing = false;
  kernel.readTables = () => {
    isListing = true;
    return new Promise(() => undefined);
  };
  follower = new Follower(ports());
  await follower.start();
  void follower.makeSure();
  await expect.poll(() => isListing).toBe(true);
  await follower.hurry();
});

test("what is desired anew since then costs a restart a listing", async () => {
  await leaveSealed();
  const before = kernel.listings;
  policy.setText(withMark(2));
  kernel.willBecome(tablesOf(withMark(2)));
  follower = new Follower(ports());
  await follower.start();
  expect(kernel.listings).toBe(before + 1);
  expect(kernel.scripts.at(-1)).toContain("0x20000000");
});

test("what was written is sealed soon, for whoever comes after a crash", async () => {
  kernel.willBecome(tablesOf(withMark(1)));
  await follower.start();
  await expect.poll(() => kernel.readSeal()).toBeDefined();
});

test("in owner mode an event of our tables is our own, and costs no listing", async () => {
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  await follower.converge();
  kernel.listingFailure = "listed";
  kernel.change(kernel.tables);
  const next = `aliases: { a: [192.0.2.0/24] }\n${withMark(1)}`;
  kernel.willBecome(tablesOf(next));
  policy.setText(next);
  await expect.poll(() => state.saved?.policy[0]?.text).toBe(next);
  expect(follower.errors).toEqual([]);
});

test("what another program takes away is put back, and told with its name", async () => {
  kernel.owner = { mode: "restore", reason: "no gate" };
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  kernel.willBecome(tablesOf(withMark(1)));
  kernel.change([]);
  await expect.poll(() => kernel.scripts.length).toBe(1);
  await expect.poll(events).toContain("restored");
  expect(journal.events.at(-1)?.message).toContain("nft (pid 4711)");
  expect(follower.upkeep.gaps.tables.gap.count).toBe(1);
});

test("nor does a gap in the events", async () => {
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  await follower.converge();
  const readTables = vi.spyOn(kernel, "readTables");
  kernel.emit({ kind: "lost" });
  const next = `aliases: { a: [192.0.2.0/24] }\n${withMark(1)}`;
  kernel.willBecome(tablesOf(next));
  policy.setText(next);
  await expect.poll(() => state.saved?.policy[0]?.text).toBe(next);
  expect(readTables).not.toHaveBeenCalled();
});

test("after a gap in the events our tables are looked at, where others can change them", async () => {
  kernel.owner = { mode: "restore", reason: "no gate" };
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  await follower.converge();
  kernel.willBecome(tablesOf(withMark(1)));
  kernel.tables = [];
  kernel.emit({ kind: "lost" });
  await expect.poll(() => kernel.scripts.length).toBe(1);
});

test("a source that fails keeps what was read before, is told once, and is asked again", async () => {
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  libvirt.fail("libvirt does not answer");
  await expect.poll(() => follower.errors).toEqual(["libvirt does not answer"]);
  kernel.willBecome(tablesOf(withMark(2)));
  policy.setText(withMark(2));
  await expect.poll(() => kernel.scripts.length).toBe(1);
  libvirt.set(noTexts);
  await expect.poll(() => follower.errors).toEqual([]);
  expect(events().filter((event) => event === "refused")).toHaveLength(1);
  expect(events()).toContain("recovered");
});

test("what libvirt says while it lists no guests is taken and told, and settles no hook's word", async () => {
  const guest = { name: "g", uuid: "00000000-0000-4000-8000-000000000001" };
  const xml = (tap: string) =>
    `<domain id='1'><name>g</name><uuid>${guest.uuid}</uuid><devices><interface type='bridge'>
      <mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='${tap}'/></interface></devices></domain>`;
  const texts = { ...noTexts, guests: [{ file: "g.xml", text: xml("vnet1") }] };
  libvirt.set(texts);
  await follower.start();
  follower.beliefs.hear(guest, xml("vnet2"));
  await follower.hurry();
  const network = "<network><name>n</name><bridge name='virbr9'/></network>";
  const networks = [{ file: "n.xml", text: network }];
  libvirt.set({ ...texts, networks, late: "libvirt does not list the guests" });
  const inventory = () => follower.beliefs.decision?.desired?.inventory;
  const known = () => ({
    networks: inventory()?.networks.map(({ name }) => name),
    taps: inventory()?.guests.flatMap(({ nics }) => nics.map(({ tap }) => tap)),
    errors: follower.errors,
  });
  await expect
    .poll(known)
    .toEqual({ networks: ["n"], taps: ["vnet2"], errors: ["libvirt does not list the guests"] });
  libvirt.set({ ...texts, networks });
  await expect.poll(known).toEqual({ networks: ["n"], taps: ["vnet1"], errors: [] });
});

test("while libvirt was never read nothing is applied", async () => {
  libvirt.fail("libvirt does not answer");
  const outcome = await follower.start();
  expect(outcome.errors).toEqual(["libvirt does not answer"]);
  expect(kernel.scripts).toEqual([]);
  kernel.willBecome(tablesOf(withMark(1)));
  libvirt.set(noTexts);
  await follower.converged;
  expect(kernel.scripts).toHaveLength(1);
});

test("a refused transaction is tried again until the kernel takes it", async () => {
  kernel.commitFailure = "line 1: Operation not supported";
  const outcome = await follower.start();
  expect(outcome.errors.join()).toContain("Operation not supported");
  kernel.commitFailure = undefined;
  kernel.willBecome(tablesOf(withMark(1)));
  await expect.poll(() => follower.errors).toEqual([]);
  expect(kernel.tables).toEqual(tablesOf(withMark(1)));
  expect(events()).not.toContain("restored");
});

test("a listing that fails is not an empty kernel", async () => {
  kernel.listingFailure = "nft: out of memory";
  const outcome = await follower.start();
  expect(outcome.errors).toContain("nft: out of memory");
  expect(kernel.scripts).toEqual([]);
});

test("a disk that is full is a warning, and the kernel is right", async () => {
  state.isDiskFull = true;
  kernel.willBecome(tablesOf(withMark(1)));
  const outcome = await follower.start();
  expect(kernel.tables).toEqual(tablesOf(withMark(1)));
  expect(outcome.errors).toEqual([]);
  expect(follower.errors).toEqual(["no space left on the disk"]);
  expect(journal.events.find(({ event }) => event === "refused")?.level).toBe("warning");
});

test("a policy with a mistake at the start falls back to the saved one", async () => {
  state.saved = { policy: [{ file: "policy.yaml", text: withMark(4) }] };
  policy.setText("hots: {}");
  kernel.willBecome(tablesOf(withMark(4)));
  await follower.start();
  expect(follower.beliefs.decision?.inForce).toBe("last-good");
  expect(kernel.tables).toEqual(tablesOf(withMark(4)));
  expect(state.saved.policy[0]?.text).toBe(withMark(4));
  expect(events()).toContain("policy-refused");
});

const bitOf = (bit: number) => String(bit * 0x10000000);

test("what was understood of the policy is saved, and a restart decides the same by it", async () => {
  await follower.start();
  const { saved } = state;
  const decided = follower.beliefs.decision?.desired?.compiled.tables;
  expect(saved?.parsed).toContain(bitOf(1));
  follower.end();
  const tables = kernel.tables;
  const restarted = new Follower({
    ...ports(),
    kernel: Object.assign(new FakeKernel(), { tables }),
  });
  await restarted.start();
  restarted.end();
  expect(restarted.beliefs.decision?.desired?.compiled.tables).toEqual(decided);
  // Nothing was new.
  expect(state.saved).toBe(saved);
});

test.each([
  ["of the same text is believed", (parsed: string) => parsed, 2],
  ["of another text is not", (parsed: string) => parsed.replace("host: {", "host:  {"), 1],
  ["of another version is not", (parsed: string) => parsed.replace('"version":', '"version":9'), 1],
  ["that is garbage is not", (parsed: string) => parsed.slice(1), 1],
  ["that is not there is not", () => undefined, 1],
])("what was understood %s, and what is not is saved anew", async (_, spoil, mark) => {
  await follower.start();
  follower.end();
  const { parsed: good = "", ...rest } = state.saved ?? { policy: [] };
  const parsed = spoil(good.replace(bitOf(1), bitOf(2)));
  state.saved = defined({ ...rest, parsed });
  follower = new Follower(ports());
  await follower.start();
  expect(follower.beliefs.decision?.desired?.compiled.tables).toEqual(tablesOf(withMark(mark)));
  expect(state.saved?.parsed).toBe(mark === 1 ? good : parsed);
});

test("without any good policy the kernel is left as it is", async () => {
  policy.setText("hots: {}");
  await follower.start();
  expect(follower.beliefs.decision?.inForce).toBe("none");
  expect(kernel.scripts).toEqual([]);
});

const ownFilters = (action: string) => {
  const text = `<filter name='web'><rule action='${action}' direction='in'/></filter>`;
  return { filters: [], ownFilters: [{ file: "web.xml", text }] };
};
const webAction = () => {
  const [rule] = follower.beliefs.decision?.desired?.inventory.filters?.get("web")?.entries ?? [];
  return rule?.kind === "rule" ? rule.action : undefined;
};

test("a filter that changes is taken up and saved, and one with a mistake leaves it as it was", async () => {
  await follower.start();
  filters.set(ownFilters("drop"));
  await expect.poll(() => state.saved?.filters).toEqual(ownFilters("drop"));
  expect(webAction()).toBe("drop");
  filters.set(ownFilters("dorp"));
  await expect.poll(events).toContain("filters-refused");
  expect(follower.beliefs.decision).toMatchObject({ inForce: "current", keepsFilters: true });
  expect(webAction()).toBe("drop");
  expect(state.saved?.filters).toEqual(ownFilters("drop"));
});

test("filters with a mistake at the start are those that were saved", async () => {
  const saved = { policy: [{ file: "policy.yaml", text: withMark(1) }] };
  state.saved = { ...saved, filters: ownFilters("drop") };
  filters.set(ownFilters("dorp"));
  await follower.start();
  expect(follower.beliefs.decision).toMatchObject({ inForce: "current", keepsFilters: true });
  expect(webAction()).toBe("drop");
  expect(state.saved.filters).toEqual(ownFilters("drop"));
});

test("a policy file that goes away takes nothing back, and an empty one does", async () => {
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  policy.set([]);
  await expect.poll(() => follower.beliefs.decision?.inForce).toBe("last-good");
  expect(follower.beliefs.decision?.problems).toMatchObject([
    { code: "POLICY_GONE", severity: "error", at: { file: "policy.yaml" } },
  ]);
  expect(journal.events.at(-1)).toMatchObject({ level: "error", event: "policy-refused" });
  expect(kernel.scripts).toEqual([]);
  expect(state.saved?.policy).toEqual([{ file: "policy.yaml", text: withMark(1) }]);
  kernel.willBecome(tablesOf(""));
  policy.setText("");
  await expect.poll(() => follower.beliefs.decision?.inForce).toBe("current");
  await follower.converge();
  expect(kernel.tables).toEqual(tablesOf(""));
  policy.set([]);
  await follower.converge();
  expect(follower.beliefs.decision).toMatchObject({ inForce: "current", problems: [] });
});

test("a policy that is gone at the start is what was saved", async () => {
  state.saved = { policy: [{ file: "policy.yaml", text: withMark(4) }] };
  policy.set([]);
  kernel.willBecome(tablesOf(withMark(4)));
  await follower.start();
  expect(follower.beliefs.decision?.inForce).toBe("last-good");
  expect(kernel.tables).toEqual(tablesOf(withMark(4)));
});

test("a policy file that was named and never was leaves the kernel as it is", async () => {
  policy.demanded = "/typo.yaml";
  policy.set([]);
  await follower.start();
  expect(follower.beliefs.decision).toMatchObject({
    inForce: "none",
    problems: [{ code: "POLICY_GONE", message: "there is no policy /typo.yaml" }],
  });
  expect(kernel.scripts).toEqual([]);
});

test("no file at all on a fresh host is an empty policy", async () => {
  policy.set([]);
  kernel.willBecome(tablesOf(""));
  await follower.start();
  expect(follower.beliefs.decision).toMatchObject({ inForce: "current", problems: [] });
});

test("a tap that lost its bridge is put back once the tables are in force", async () => {
  const named = (text: string) => parseInterfaceName(text) as InterfaceName;
  const plain = { addresses: [], hasDefaultRoute: false };
  const bridge = { ...plain, name: named("virbr0"), kind: "bridge" };
  const tap = { ...plain, name: named("vnet0"), kind: "tun" };
  const nic =
    "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='n' bridge='virbr0'/><target dev='vnet0'/></interface>";
  const links = new FakeLinks();
  const texts = {
    networks: [{ file: "n.xml", text: "<network><name>n</name><bridge name='virbr0'/></network>" }],
    guests: [{ file: "g.xml", text: `<domain><name>g</name><devices>${nic}</devices></domain>` }],
    leases: [],
  };
  const host = new FakeHost([bridge, tap]);
  const sources = { policy, libvirt: new FakeLibvirt(texts), host };
  const other = new Follower({
    sources,
    kernel,
    xtables: new FakeXtables(),
    firewalld: new FakeFirewalld(),
    links,
    state,
    journal,
  });
  kernel.commitFailure = "line 1: Operation not supported";
  await other.start();
  expect(links.masters.size).toBe(0);
  kernel.commitFailure = undefined;
  await expect.poll(() => links.masters.get(named("vnet0"))).toBe("virbr0");
  expect(events()).toContain("nics-put-back");
  links.masters.clear();
  host.set([bridge, { ...tap, master: named("virbr0") }]);
  await other.converge();
  expect(links.masters.size).toBe(0);
  other.end();
});

test("libvirt is asked for everything where a tap has come and nobody says whose it is", async () => {
  const tap = (text: string) => {
    const name = parseInterfaceName(text) as InterfaceName;
    return { name, addresses: [], hasDefaultRoute: false, kind: "tun" };
  };
  const nic =
    "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='n'/><target dev='vnet1'/></interface>";
  const text = `<domain><name>g</name><devices>${nic}</devices></domain>`;
  libvirt.set({ ...noTexts, guests: [{ file: "g.xml", text }] });
  const host = new FakeHost([tap("vnet0")]);
  const other = new Follower({ ...ports(), sources: { policy, libvirt, host } });
  await other.start();
  const isAskedForAll = () => libvirt.expected.some(({ kind }) => kind === "everything");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    // One that is a guest's, and one that goes.
    host.set([tap("vnet1")]);
    await vi.advanceTimersByTimeAsync(5_000);
    const moved = { kind: "taps", taps: ["vnet0", "vnet1"], gone: ["vnet0"] };
    expect(libvirt.expected).toContainEqual(moved);
    expect(isAskedForAll()).toBe(false);
    host.set([tap("vnet1"), tap("vnet2")]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(isAskedForAll()).toBe(true);
  } finally {
    vi.useRealTimers();
    other.end();
  }
});

test("another program's tap is let through once libvirt was asked for everything", async () => {
  const named = (text: string) => parseInterfaceName(text) as InterfaceName;
  const link = { addresses: [], hasDefaultRoute: false };
  const bridge = { ...link, name: named("br0"), kind: "bridge" };
  const tap = { ...link, name: named("tap0"), kind: "tun", master: bridge.name };
  const host = new FakeHost([bridge]);
  const other = new Follower({ ...ports(), sources: { policy, libvirt, host } });
  await other.start();
  const opened = () => {
    const tables = other.beliefs.decision?.desired?.compiled.tables ?? [];
    return tables.flatMap(({ sets }) => sets.filter(({ name }) => name === "foreign_taps"))[0]
      ?.elements.length;
  };
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    host.set([bridge, tap]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(libvirt.expected).toContainEqual({ kind: "taps", taps: ["tap0"], gone: [] });
    expect(opened()).toBe(0);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(opened()).toBe(1);
  } finally {
    vi.useRealTimers();
    other.end();
  }
});

test("groups that the kernel's bridges pass by are told until br_netfilter is on", async () => {
  const nic = (last: number) =>
    `<interface type='bridge'><mac address='52:54:00:00:00:0${last}'/><source bridge='br0'/><target dev='vnet${last}'/></interface>`;
  const text = `<domain><name>web</name><devices>${nic(1)}</devices></domain>`;
  libvirt.set({ ...noTexts, guests: [{ file: "web.xml", text }] });
  policy.setText("{ groups: { g: }, guests: { web: { groups: g } } }");
  await follower.start();
  const codes = () => follower.beliefs.decision?.problems.map(({ code }) => code);
  expect(codes()).toEqual(["GROUPS_ON_ONE_BRIDGE"]);
  links.facts = { filtered: [4, 6] };
  await follower.converge();
  expect(codes()).toEqual([]);
});

test("policy files that are passed over are told, also while the policy is gone", async () => {
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  policy.set([]);
  await follower.converge();
  const at = { file: "policy.d/a.yml", line: 1, column: 1 };
  policy.passedOver = [{ code: "NOT_READ", severity: "warning", at, message: "not read" }];
  policy.set([]);
  await follower.converge();
  const { problems, inForce } = follower.beliefs.decision ?? {};
  expect(problems?.map(({ code }) => code)).toEqual(["POLICY_GONE", "NOT_READ"]);
  expect(inForce).toBe("last-good");
  expect(kernel.scripts).toEqual([]);
});

test("what others take away is put back while libvirt does not answer", async () => {
  kernel.owner = { mode: "restore", reason: "no gate" };
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  let isAsked = false;
  libvirt.read = () => {
    isAsked = true;
    return new Promise(() => undefined);
  };
  libvirt.set(noTexts);
  await expect.poll(() => isAsked).toBe(true);
  kernel.willBecome(tablesOf(withMark(1)));
  kernel.change([]);
  await expect.poll(() => kernel.scripts.length).toBe(1);
});

test("libvirt is asked also while others change our tables without end", async () => {
  kernel.owner = { mode: "restore", reason: "no gate" };
  kernel.tables = tablesOf(withMark(1));
  await follower.start();
  const text = "<network><name>late</name><bridge name='virbr9'/></network>";
  const other = setInterval(() => kernel.change(tablesOf(withMark(1))), 0);
  libvirt.set({ ...noTexts, networks: [{ file: "late.xml", text }] });
  const networks = () =>
    follower.beliefs.decision?.desired?.inventory.networks.map(({ name }) => name);
  try {
    await expect.poll(networks).toEqual(["late"]);
  } finally {
    clearInterval(other);
  }
});

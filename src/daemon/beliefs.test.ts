import { describe, expect, test, vi } from "vitest";
import { parseInterfaceName, type InterfaceName } from "../base/interface-name.ts";
import { FakeHost, FakeLibvirt, FakePolicy } from "../ports/sources.fake.ts";
import { Beliefs } from "./beliefs.ts";

const mac = "52:54:00:00:00:01";
const texts = {
  networks: [{ file: "n.xml", text: "<network><name>n</name><bridge name='virbr0'/></network>" }],
  guests: [
    {
      file: "g.xml",
      text: `<domain><name>g</name><devices><interface type='network'><mac address='${mac}'/><source network='n' bridge='virbr0'/><target dev='vnet0'/></interface></devices></domain>`,
    },
  ],
  leases: [
    {
      file: "virbr0.status",
      text: JSON.stringify([{ "ip-address": "10.0.0.2", "mac-address": mac, "expiry-time": 1000 }]),
    },
  ],
};
const policy = `guests: { g: { filter: clean-traffic, nics: { "${mac}": { parameters: { CTRL_IP_LEARNING: dhcp } } } } }\n`;

test("a text is judged in place of a policy file, and changes nothing", async () => {
  const sources = {
    policy: new FakePolicy([]),
    libvirt: new FakeLibvirt(texts),
    host: new FakeHost([]),
  };
  const beliefs = new Beliefs(sources);
  sources.policy.setText("guests: { g: { publish: [{ ports: [tcp/80] }] }, gone: {} }\n");
  const [present] = await sources.policy.read();
  const file = present?.file ?? "";
  expect(beliefs.examine({ file, text: "" })).toBeUndefined();
  for (const source of ["policy", "libvirt", "host"] as const) await beliefs.read(source);
  beliefs.reconsider();
  const { decision } = beliefs;
  const codes = (text: string, name = file) => {
    const found = beliefs.examine({ file: name, text });
    expect(found?.before).toEqual(decision?.problems);
    return found?.problems.map(({ code }) => code);
  };
  const before = decision?.problems.map(({ code }) => code);
  expect(codes(present?.text ?? "")).toEqual(before);
  expect(codes("guests: { g: { publish: [{ ports: [tcp/80, tcp/80] }] } }")).toContain(
    "PUBLISHED_TWICE",
  );
  expect(codes("guests: { g: { groups: [nosuch] } }", "more.yaml")).toContain("UNKNOWN_GROUP");
  expect(codes("guests: [")).toContain("BAD_YAML");
  expect(beliefs.decision).toBe(decision);
  expect(beliefs.reconsider()).toBe(false);
});

test("a lease that has ended counts no more, though nobody strikes it out", async () => {
  const libvirt = new FakeLibvirt({ ...texts, readAt: 999 });
  const sources = { policy: new FakePolicy([]), libvirt, host: new FakeHost([]) };
  const beliefs = new Beliefs(sources);
  sources.policy.setText(policy);
  for (const source of ["policy", "libvirt", "host"] as const) await beliefs.read(source);
  expect(beliefs.reconsider()).toBe(true);
  const filter = () => beliefs.decision?.desired?.compiled.guests[0]?.nics[0]?.filter;
  expect(filter()).toMatchObject({ state: "enforced", leased: ["10.0.0.2"] });
  libvirt.set({ ...texts, readAt: 1000 });
  await beliefs.read("libvirt");
  expect(beliefs.reconsider()).toBe(true);
  expect(filter()?.leased).toBeUndefined();
  libvirt.set({ ...texts, readAt: 1001 });
  await beliefs.read("libvirt");
  expect(beliefs.reconsider()).toBe(false);
});

const named = (text: string) => parseInterfaceName(text) as InterfaceName;
const link = { addresses: [], hasDefaultRoute: false };
const bridge = { ...link, name: named("br0"), kind: "bridge" };
const tapOf = (name: string) => ({ ...link, name: named(name), kind: "tun", master: bridge.name });

function foreignTaps(beliefs: Beliefs) {
  beliefs.reconsider();
  const tables = beliefs.decision?.desired?.compiled.tables ?? [];
  const set = tables.flatMap(({ sets }) => sets).find(({ name }) => name === "foreign_taps");
  return set?.elements.flatMap(({ key }) => (key.kind === "value" ? key.value : []));
}

describe("a tap is another program's", () => {
  const begin = () => {
    const sources = {
      policy: new FakePolicy([]),
      libvirt: new FakeLibvirt(texts),
      host: new FakeHost([bridge, tapOf("tap0")]),
    };
    return { ...sources, beliefs: new Beliefs(sources) };
  };

  test("only once libvirt was asked when it had to know whose it is", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const { beliefs, host } = begin();
      for (const source of ["policy", "libvirt", "host"] as const) await beliefs.read(source);
      expect(foreignTaps(beliefs)).toEqual(["tap0"]);
      host.set([bridge, tapOf("tap0"), tapOf("tap1")]);
      await beliefs.read("host");
      // libvirt may have made it just now, and put it into no guest's XML yet.
      await beliefs.read("libvirt");
      expect(foreignTaps(beliefs)).toEqual(["tap0"]);
      // Asked too early, and answered late: that says nothing of it.
      const reading = beliefs.read("libvirt");
      vi.advanceTimersByTime(2_000);
      await reading;
      expect(foreignTaps(beliefs)).toEqual(["tap0"]);
      await beliefs.read("libvirt");
      expect(foreignTaps(beliefs)).toEqual(["tap0", "tap1"]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("not while hooks stand for libvirt", async () => {
    const { beliefs, libvirt } = begin();
    for (const source of ["policy", "host"] as const) await beliefs.read(source);
    beliefs.actOnHooksAlone();
    expect(foreignTaps(beliefs)).toEqual([]);
    libvirt.set({ networks: [], guests: [], leases: [] });
    await beliefs.read("libvirt");
    expect(foreignTaps(beliefs)).toEqual(["tap0"]);
  });
});

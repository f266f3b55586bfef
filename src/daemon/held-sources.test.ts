import { expect, test } from "vitest";
import { FakeHost, FakeLibvirt, FakePolicy } from "../ports/sources.fake.ts";
import { Beliefs } from "./beliefs.ts";
import { HeldSources } from "./held-sources.ts";

const before = { networks: [{ file: "n.xml", text: "before" }], guests: [], leases: [] };
const after = { ...before, networks: [] };

function open() {
  const libvirt = new FakeLibvirt(before);
  const sources = { policy: new FakePolicy([]), libvirt, host: new FakeHost([]) };
  return { libvirt, held: new HeldSources(sources) };
}

test("while they are held they say what they said last, and tell of nothing", async () => {
  const { libvirt, held } = open();
  await held.libvirt.read();
  let told = 0;
  held.libvirt.watch(() => told++);
  const release = await held.hold();
  await new Promise((resolve) => setTimeout(resolve, 5));
  told = 0;
  libvirt.set(after);
  expect(await held.libvirt.read()).toEqual({ ...before, isRepeated: true });
  expect(told).toBe(0);
  release();
  expect(told).toBe(1);
  expect(await held.libvirt.read()).toEqual(after);
});

test("of two holders the last one lets go, and each once", async () => {
  const { libvirt, held } = open();
  await held.libvirt.read();
  const [first, second] = [await held.hold(), await held.hold()];
  libvirt.set(after);
  first();
  first();
  expect(await held.libvirt.read()).toEqual({ ...before, isRepeated: true });
  second();
  expect(await held.libvirt.read()).toEqual(after);
});

test("what was never read is read", async () => {
  const { held } = open();
  const release = await held.hold();
  expect(await held.libvirt.read()).toEqual(before);
  release();
});

test("what hooks have said since is not taken back by what is said again", async () => {
  const { libvirt, held } = open();
  const text = "<domain><name>g</name></domain>";
  libvirt.set({ ...after, guests: [{ file: "g.xml", text }] });
  const beliefs = new Beliefs(held);
  for (const source of ["policy", "libvirt", "host"] as const) await beliefs.read(source);
  const knows = async () => {
    await beliefs.read("libvirt");
    beliefs.reconsider();
    return beliefs.knows("g");
  };
  expect(await knows()).toBe(true);
  const release = await held.hold();
  beliefs.hear({ name: "g", uuid: "" }, undefined);
  expect(await knows()).toBe(false);
  release();
  // Now libvirt itself says so.
  expect(await knows()).toBe(true);
});

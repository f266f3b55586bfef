import { expect, test } from "vitest";
import { FakeHost, FakeLibvirt, FakePolicy } from "../ports/sources.fake.ts";
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
  expect(await held.libvirt.read()).toEqual(before);
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
  expect(await held.libvirt.read()).toEqual(before);
  second();
  expect(await held.libvirt.read()).toEqual(after);
});

test("what was never read is read", async () => {
  const { held } = open();
  const release = await held.hold();
  expect(await held.libvirt.read()).toEqual(before);
  release();
});

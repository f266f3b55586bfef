import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import type { SourceText } from "../model/source-text.ts";
import { HookedGuests } from "./hooked-guests.ts";

const web1 = { name: "web1", uuid: "00000000-0000-4000-8000-000000000001" };
const web2 = { name: "web2", uuid: "00000000-0000-4000-8000-000000000002" };

function xmlOf({ name, uuid }: typeof web1, note = ""): string {
  return `<domain type='kvm' id='1'>\n  <name>${name}</name>\n  <uuid>${uuid}</uuid>${note}\n</domain>`;
}

function listed(guest: typeof web1, note = ""): SourceText {
  return { file: `domains/${guest.name}.xml`, text: xmlOf(guest, note) };
}

test("nothing heard leaves the listing as it is", () => {
  const listing = [listed(web1)];
  expect(new HookedGuests().applyTo(listing)).toBe(listing);
});

test("a guest that libvirt does not list yet is added, under the name that libvirt's text will have", () => {
  const hooked = new HookedGuests();
  hooked.hear(web2, xmlOf(web2));
  expect(hooked.applyTo([listed(web1)])).toEqual([
    listed(web1),
    { file: "libvirt:guest/web2.xml", text: xmlOf(web2) },
  ]);
});

test("a guest that is listed already is replaced, and keeps its place's name", () => {
  const hooked = new HookedGuests();
  hooked.hear(web1, xmlOf(web1, "<!-- taps -->"));
  expect(hooked.applyTo([listed(web1), listed(web2)])).toEqual([
    listed(web2),
    { file: "domains/web1.xml", text: xmlOf(web1, "<!-- taps -->") },
  ]);
});

test("a guest of a new name with the UUID of another replaces it", () => {
  const hooked = new HookedGuests();
  const renamed = { ...web1, name: "web9" };
  hooked.hear(renamed, xmlOf(renamed));
  expect(hooked.applyTo([listed(web1)]).map(({ text }) => text)).toEqual([xmlOf(renamed)]);
});

test("what was heard is the same text each time, and libvirt's own where that says the same", () => {
  const hooked = new HookedGuests();
  const listing = [listed(web1), listed(web2)];
  hooked.hear(web1, xmlOf(web1));
  hooked.hear(web2, xmlOf(web2, "<!-- taps -->"));
  const [first, second] = hooked.applyTo(listing);
  expect(first).toBe(listing[0]);
  hooked.hear({ name: "web3", uuid: "" }, undefined);
  expect(hooked.applyTo(listing)[1]).toBe(second);
});

test("the same again counts once, and the last word counts", () => {
  const hooked = new HookedGuests();
  hooked.hear(web1, xmlOf(web1));
  hooked.hear(web1, xmlOf(web1));
  expect(hooked.applyTo([])).toHaveLength(1);
  hooked.hear({ name: "web1", uuid: "" }, undefined);
  expect(hooked.applyTo([listed(web1), listed(web2)])).toEqual([listed(web2)]);
  hooked.hear(web1, xmlOf(web1));
  expect(hooked.applyTo([])).toHaveLength(1);
});

test("a listing that lists the guest settles it, if its reading began after the hook", async () => {
  const hooked = new HookedGuests();
  const before = performance.now();
  await setTimeout(2);
  hooked.hear(web1, xmlOf(web1, "<!-- new -->"));
  expect(hooked.settle([listed(web1)], before)).toBe(false);
  expect(hooked.applyTo([listed(web1)])[0]?.text).toContain("new");
  expect(hooked.settle([listed(web2)], performance.now() + 1)).toBe(false);
  expect(hooked.settle([listed(web1)], performance.now() + 1)).toBe(true);
  expect(hooked.applyTo([listed(web1)])).toEqual([listed(web1)]);
});

test("what is gone is settled by any later listing, so that a wrong word does not last", () => {
  const hooked = new HookedGuests();
  hooked.hear(web1, undefined);
  expect(hooked.settle([listed(web1)], performance.now() + 1)).toBe(true);
  expect(hooked.applyTo([listed(web1)])).toEqual([listed(web1)]);
});

test("what libvirt has not listed for the whole of its time is forgotten by the next listing, and not without one", () => {
  const hooked = new HookedGuests(1_000);
  hooked.hear(web1, xmlOf(web1));
  const heard = performance.now();
  expect(hooked.settle([listed(web2)], heard + 900)).toBe(false);
  expect(hooked.applyTo([])).toHaveLength(1);
  expect(hooked.settle([listed(web2)], heard + 1_001)).toBe(true);
  expect(hooked.applyTo([])).toEqual([]);
});

test("a name inside a guest's metadata is not taken for that guest", () => {
  const hooked = new HookedGuests();
  const text = `<domain><metadata><name>web1</name><uuid>${web1.uuid}</uuid></metadata><name>web2</name></domain>`;
  hooked.hear(web1, undefined);
  expect(hooked.applyTo([{ file: "a.xml", text }])).toHaveLength(1);
});

test("a guest whose name is not plain goes by its UUID", () => {
  const hooked = new HookedGuests();
  const odd = { ...web1, name: "../x' \u202e" };
  hooked.hear(odd, xmlOf(odd));
  expect(hooked.applyTo([])[0]?.file).toBe(`libvirt:guest/${web1.uuid}.xml`);
});

test("a guest that is named as another's UUID stands under its own, apart from that other", () => {
  const hooked = new HookedGuests();
  const odd = { ...web1, name: "a guest" };
  const impostor = { ...web2, name: web1.uuid };
  for (const guest of [odd, impostor]) hooked.hear(guest, xmlOf(guest));
  expect(hooked.applyTo([]).map(({ file }) => file)).toEqual([
    `libvirt:guest/${odd.uuid}.xml`,
    `libvirt:guest/${impostor.uuid}.xml`,
  ]);
});

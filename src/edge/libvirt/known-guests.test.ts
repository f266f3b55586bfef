import { expect, test } from "vitest";
import { KnownGuests } from "./known-guests.ts";

/** As libvirt 9.0 writes it. */
function xmlOf(name: string, tap = "vnet0"): string {
  return `<domain type='kvm' id='1'>\n  <name>${name}</name>\n  <uuid>…</uuid>\n  <devices>
    <interface type='network'>\n      <target dev='${tap}'/>\n    </interface>\n  </devices>\n</domain>\n`;
}

function knowing(...texts: readonly string[]): KnownGuests {
  const guests = new KnownGuests();
  guests.takeKept();
  guests.take(new Map(texts.map((text, index) => [`${index}`, { file: `${index}`, text }])));
  return guests;
}

function kept(guests: KnownGuests): string[] {
  return [...guests.takeKept().keys()];
}

test("nothing is kept before anything was asked for", () => {
  expect(new KnownGuests().isStale).toBe(true);
  expect(kept(new KnownGuests())).toEqual([]);
});

test("an event takes away the guest that it names, once", () => {
  const guests = knowing(xmlOf("a"), xmlOf("b c"), xmlOf("ab"));
  expect(guests.isStale).toBe(false);
  guests.hear("event 'device-added' for domain 'b c': net1");
  expect(guests.isStale).toBe(true);
  expect(kept(guests)).toEqual(["0", "2"]);
  expect(guests.isStale).toBe(false);
});

test("an event of a guest that is not known is a reason to list, and takes away no other", () => {
  const guests = knowing(xmlOf("a"), xmlOf("b"));
  guests.hear("event 'lifecycle' for domain 'new': Started Booted");
  expect(guests.isStale).toBe(true);
  expect(kept(guests)).toEqual(["0", "1"]);
});

test("what is heard while libvirt is asked counts for the next time", () => {
  const guests = knowing(xmlOf("a"), xmlOf("b"));
  guests.hear("event 'lifecycle' for domain 'a': Resumed Unpaused");
  const before = guests.takeKept();
  guests.hear("event 'lifecycle' for domain 'b': Resumed Unpaused");
  guests.take(new Map([...before, ["0", { file: "0", text: xmlOf("a") }]]));
  expect(kept(guests)).toEqual(["0"]);
});

test.each(["a&apos;b", "a&amp;b", "a&lt;b", "a\tb"])(
  "a guest whose name events may write otherwise, such as %s, is kept over none",
  (name) => {
    const guests = knowing(xmlOf("a"), xmlOf(name));
    guests.hear("event 'lifecycle' for domain 'x': Resumed Unpaused");
    expect(kept(guests)).toEqual(["0"]);
  },
);

test("a name that is made to look like another's event takes away both", () => {
  const guests = knowing(xmlOf("a"), xmlOf("a&apos;: x"), xmlOf("b"));
  guests.hear("event 'lifecycle' for domain 'a': x': Resumed Unpaused");
  expect(kept(guests)).toEqual(["2"]);
});

test("the further lines of an event say nothing, and a line that is not understood takes away all", () => {
  const guests = knowing(xmlOf("a"), xmlOf("b"));
  guests.hear("event 'tunable' for domain 'a':");
  guests.hear("\tcputune.vcpupin0: 0-1");
  expect(kept(guests)).toEqual(["1"]);
  guests.hear("something that a later virsh says");
  expect(kept(guests)).toEqual([]);
});

test("a tap takes away the guests that had it", () => {
  const guests = knowing(xmlOf("a", "vnet1"), xmlOf("b", "vnet10"), xmlOf("c", "vnet2"));
  guests.expect({ kind: "taps", taps: ["vnet1", "vnet3"] as never, gone: [] });
  expect(kept(guests)).toEqual(["1", "2"]);
});

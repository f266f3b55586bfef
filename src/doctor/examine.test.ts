import { expect, test } from "vitest";
import { examine } from "./examine.ts";
import { examinations } from "./examinations.ts";
import { forwarding } from "./forwarding.ts";
import { taps } from "./taps.ts";
import { clock } from "./clock.ts";
import type { Facts, LookedFacts } from "./facts.ts";
import { find, soundHost, withSettings } from "./sound-host.fake.ts";

function allSeen(facts: Facts): LookedFacts {
  const seen = Object.entries(facts).map(([name, value]) => [name, { seen: value as unknown }]);
  return Object.fromEntries(seen) as LookedFacts;
}

test("a sound host has no findings", () => {
  const { findings, skipped, sound } = examine(examinations, allSeen(soundHost()));
  // The sample has no unit files, so nobody starts virtwall there.
  expect(findings.map(({ id }) => id)).toEqual(["boot-order"]);
  expect(skipped).toEqual([]);
  expect(sound).toHaveLength(examinations.length - 1);
});

test("every examination has an id of its own", () => {
  expect(new Set(examinations.map(({ id }) => id)).size).toBe(examinations.length);
});

test("what nobody could look at is skipped with the reason, and the rest is examined", () => {
  const looked = {
    ...allSeen(withSettings({ "net/ipv4/ip_forward": "0" })),
    clock: { reason: "no clock" },
  };
  const { findings, skipped, sound } = examine([forwarding, taps, clock], looked);
  expect(findings).toMatchObject([{ id: "forwarding", severity: "error" }]);
  expect(skipped).toEqual([{ id: "clock", reason: "no clock", isRefused: true }]);
  expect(sound).toEqual(["taps"]);
});

test("what does not apply is skipped too, and nobody refused", () => {
  const looked = allSeen(
    soundHost({ units: { isBooted: false, units: new Map() }, libvirt: undefined }),
  );
  const { skipped } = examine(examinations, looked);
  expect(skipped.filter(({ isRefused }) => isRefused)).toEqual([]);
  expect(skipped.map(({ id }) => id)).toEqual([
    "libvirt-rules",
    "libvirt-leftovers",
    "libvirt-faults",
    "libvirt-hooks",
    "boot-order",
  ]);
});

test("errors come before warnings", () => {
  const late = { now: 0, files: [{ file: "/a", changedAt: 3_600_000 }] };
  const facts = { ...withSettings({ "net/ipv4/ip_forward": "0" }), clock: late };
  const { findings } = examine([clock, forwarding], allSeen(facts));
  expect(findings.map(({ id }) => id)).toEqual(["forwarding", "clock"]);
});

test("a clock that is behind the times of files is found", () => {
  const files = [{ file: "/var/lib/libvirt/dnsmasq/virbr0.status", changedAt: 3_600_000 }];
  expect(find(clock, soundHost({ clock: { now: 0, files } }))).toMatchObject([
    {
      evidence: ["/var/lib/libvirt/dnsmasq/virbr0.status: changed 60 min from now"],
    },
  ]);
  expect(find(clock, soundHost({ clock: { now: 3_590_000, files } }))).toEqual([]);
});

import { expect, test } from "vitest";
import type { Unit } from "../ports/host-facts.ts";
import { bootOrder } from "./boot-order.ts";
import { find, soundHost } from "./sound-host.fake.ts";

function unit(name: string, changes: Partial<Unit> = {}): Unit {
  const file = `/lib/systemd/system/${name}`;
  return { file, isEnabled: true, before: [], after: [], wants: [], ...changes };
}

const libvirtd = unit("libvirtd.service");
const sound: Readonly<Record<string, Unit>> = {
  "virtwall.service": unit("virtwall.service", {
    before: ["libvirtd.service", "virtlxcd.service"],
    wants: ["virtwall-gate.service"],
  }),
  "virtwall-gate.service": unit("virtwall-gate.service", { isEnabled: false }),
  "virtwall-early.service": unit("virtwall-early.service", {
    before: ["network-pre.target"],
    after: ["nftables.service"],
  }),
  "libvirtd.service": libvirtd,
  "nftables.service": unit("nftables.service"),
};

function boot(changes: Readonly<Record<string, Unit | undefined>>) {
  const units = Object.entries({ ...sound, ...changes }).flatMap(([name, one]): [string, Unit][] =>
    one === undefined ? [] : [[name, one]],
  );
  return find(bootOrder, soundHost({ units: { isBooted: true, units: new Map(units) } }));
}

test("a host whose units start in order has no findings", () => {
  expect(boot({})).toEqual([]);
  const after = { after: ["virtwall.service"] };
  expect(boot({ "virtqemud.service": unit("virtqemud.service", after) })).toEqual([]);
});

test.each(["libvirtd", "virtqemud", "virtnetworkd", "virtlxcd"])(
  "%s is not to be ahead",
  (name) => {
    const changes = {
      [`${name}.service`]: unit(`${name}.service`),
      "virtwall.service": unit("virtwall.service", { wants: ["virtwall-gate.service"] }),
    };
    expect(boot(changes).map(({ fix }) => fix.text)).toContain(
      `systemctl edit virtwall.service: [Unit] Before=${name}.service`,
    );
  },
);

test("a host on which nobody starts virtwall is found", () => {
  const own = sound["virtwall.service"] ?? libvirtd;
  expect(boot({ "virtwall.service": { ...own, isEnabled: false } })).toMatchObject([
    { fix: { text: "systemctl enable virtwall.service" } },
  ]);
  expect(boot({ "virtwall.service": undefined })).toMatchObject([
    { evidence: ["there is no virtwall.service, or it is masked"] },
  ]);
});

test("a gate that nobody starts, and rules of last time that nobody loads, are found", () => {
  const unwanted = { ...sound["virtwall.service"], before: ["libvirtd.service"], wants: [] };
  expect(boot({ "virtwall.service": { ...libvirtd, ...unwanted } })).toMatchObject([
    {
      message: "while virtwall's daemon restarts nobody owns its tables",
      fix: { text: "systemctl enable virtwall-gate.service" },
    },
  ]);
  expect(boot({ "virtwall-early.service": undefined })).toMatchObject([
    { message: "after a boot networks are up before virtwall has its rules in place" },
  ]);
});

test("rules of last time come before any network, and after what flushes", () => {
  const early = unit("virtwall-early.service");
  expect(boot({ "virtwall-early.service": early }).map(({ evidence }) => evidence)).toEqual([
    ["/lib/systemd/system/virtwall-early.service has no Before=network-pre.target"],
    ["/lib/systemd/system/virtwall-early.service has no After=nftables.service"],
  ]);
  const late = { ...early, before: ["network-pre.target"] };
  const off = unit("nftables.service", { isEnabled: false });
  expect(boot({ "virtwall-early.service": late, "nftables.service": off })).toEqual([]);
});

test("where systemd does not run there is no order to look at", () => {
  const units = { isBooted: false, units: new Map<string, Unit>() };
  expect(bootOrder.examine(soundHost({ units }))).toEqual({
    reason: "systemd does not run here",
  });
});

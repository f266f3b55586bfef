import { beforeEach, expect, test } from "vitest";
import { FakeFirewalld } from "../ports/firewalld.fake.ts";
import { FirewalldKeeper } from "./firewalld-keeper.ts";

const wish = { bridges: ["virbr0", "virbr1"], integration: "auto" } as const;

let firewalld: FakeFirewalld;
let keeper: FirewalldKeeper;

beforeEach(() => {
  firewalld = new FakeFirewalld();
  keeper = new FirewalldKeeper(firewalld);
  firewalld.facts = {
    defaultZone: "public",
    zones: ["libvirt", "public"],
    active: new Map([
      ["libvirt", { interfaces: ["virbr0"], sources: [] }],
      ["public", { interfaces: ["eth0"], sources: [] }],
    ]),
    policies: new Map(),
    permanent: { hasZone: false, policies: new Map() },
  };
});

const statesOf = (report: readonly { chain: string; table: string; state: string }[]) =>
  report.map(({ chain, table, state }) => `${chain} in ${table}: ${state}`);

function putInto(zone: string, ...interfaces: readonly string[]): void {
  const { facts } = firewalld;
  if (facts) facts.active = new Map(facts.active).set(zone, { interfaces, sources: [] });
}

test("where firewalld does not run nothing is said and nothing fails", async () => {
  firewalld.facts = undefined;
  expect(await keeper.keep(wish)).toEqual({ report: [], isChanged: false, failures: [] });
});

test("a bridge in libvirt's zone stays there, one in no zone comes into ours, and policies open both", async () => {
  const { report, isChanged, failures } = await keeper.keep(wish);
  expect(failures).toEqual([]);
  expect(isChanged).toBe(true);
  expect(statesOf(report)).toEqual(["virbr0 in libvirt: passed", "virbr1 in virtwall: passed"]);
  expect(firewalld.facts?.policies.get("virtwall-in")).toMatchObject({
    ingress: ["ANY"],
    egress: ["libvirt", "virtwall"],
    target: "ACCEPT",
  });
});

test("what is written down opens nothing: it speaks of our zone alone, and no bridge is in that", async () => {
  await keeper.keep(wish);
  const zones = [...(firewalld.facts?.permanent.policies.values() ?? [])].flatMap(
    ({ ingress, egress }) => [...ingress, ...egress],
  );
  expect([...new Set(zones)].toSorted()).toEqual(["ANY", "HOST", "virtwall"]);
});

test("while nothing changes firewalld is not told twice, and its reload is made good", async () => {
  await keeper.keep(wish);
  firewalld.done.length = 0;
  expect((await keeper.keep(wish)).isChanged).toBe(false);
  expect(firewalld.done).toEqual([]);
  firewalld.reload();
  expect((await keeper.keep(wish)).report.every(({ state }) => state === "passed")).toBe(true);
  expect(firewalld.done.filter((kind) => kind === "reload")).toHaveLength(1);
});

test("a zone that holds more than guests' bridges is not opened", async () => {
  putInto("libvirt", "virbr0", "eth1");
  const { report } = await keeper.keep(wish);
  expect(statesOf(report)).toEqual(["virbr0 in libvirt: needed", "virbr1 in virtwall: passed"]);
  expect(report[0]?.line).toBe("firewall-cmd --zone=virtwall --change-interface=virbr0");
  expect(firewalld.facts?.policies.get("virtwall-in")?.egress).toEqual(["virtwall"]);
});

test("the default zone is not opened, since it takes every interface that is in none", async () => {
  putInto("public", "virbr0");
  putInto("libvirt");
  const { report } = await keeper.keep(wish);
  expect(report[0]).toMatchObject({ table: "public", state: "needed" });
});

test("a network that is gone leaves our zone, and its zone our policies", async () => {
  await keeper.keep(wish);
  putInto("libvirt");
  await keeper.keep({ ...wish, bridges: [] });
  expect(firewalld.facts?.active.get("virtwall")).toBeUndefined();
  expect(firewalld.facts?.policies.get("virtwall-out")?.ingress).toEqual(["virtwall"]);
});

test("firewalld is not reloaded where that would take away what the admin did at run time", async () => {
  firewalld.runTimeOnly = ["zone public: ports"];
  const { report, failures } = await keeper.keep(wish);
  expect(firewalld.done).not.toContain("reload");
  expect(failures.join()).toContain("(zone public: ports)");
  expect(report.map(({ state }) => state)).toEqual(["needed", "needed"]);
  firewalld.reload();
  const after = await keeper.keep(wish);
  expect(after.report.map(({ state }) => state)).toEqual(["passed", "passed"]);
});

test("with print nothing is told", async () => {
  const { report } = await keeper.keep({ ...wish, integration: "print" });
  expect(report.map(({ state }) => state)).toEqual(["needed", "needed"]);
  expect(report[0]?.line).toMatch(/^firewall-cmd --permanent --new-zone=virtwall && .* --reload$/);
  expect(firewalld.done).toEqual([]);
});

test("a refusal is told, and the next time it is tried again", async () => {
  firewalld.refusal = "COMMAND_FAILED";
  expect((await keeper.keep(wish)).failures).toEqual(["firewalld: COMMAND_FAILED"]);
  firewalld.refusal = "";
  expect((await keeper.keep(wish)).report.every(({ state }) => state === "passed")).toBe(true);
});

test("firewalld that goes while it is told is told when it is back", async () => {
  const { facts } = firewalld;
  const told = firewalld.carryOut.bind(firewalld);
  firewalld.carryOut = (steps) => {
    firewalld.facts = undefined;
    return told(steps);
  };
  expect((await keeper.keep(wish)).failures).toEqual(["firewalld: it has gone"]);
  expect(await keeper.keep(wish)).toEqual({ report: [], isChanged: false, failures: [] });
  firewalld.facts = facts;
  firewalld.carryOut = told;
  expect((await keeper.keep(wish)).report.every(({ state }) => state === "passed")).toBe(true);
});

test("removed, firewalld has nothing of ours, in force or written down", async () => {
  await keeper.keep(wish);
  expect((await keeper.remove()).failures).toEqual([]);
  expect(firewalld.facts).toMatchObject({
    zones: ["libvirt", "public"],
    policies: new Map(),
    permanent: { hasZone: false, policies: new Map() },
  });
  firewalld.done.length = 0;
  await keeper.remove();
  expect(firewalld.done).toEqual([]);
});

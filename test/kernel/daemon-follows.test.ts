import { renameSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildPrograms, holds, nft, Site, until, type RunningDaemon } from "./daemon-program.ts";

const policy = (ports: string) => `networks:
  front: { mode: nat }
guests:
  web1:
    publish:
      - { address: 198.51.100.1, ports: [${ports}] }
`;

let site: Site;
let daemon: RunningDaemon;

beforeAll(buildPrograms);

beforeEach(async () => {
  site = new Site(policy("tcp/80"));
  daemon = await site.start();
});

afterEach(() => site.close());

test("once it says ready the kernel holds what is desired, and diff agrees", () => {
  expect(holds("198.51.100.1 . tcp . 80 : 10.20.0.11 . 80")).toBe(true);
  expect(site.run(["diff"])).toMatchObject({ status: 0 });
  const status = site.status();
  expect(status.policy).toMatchObject({ inForce: "current", files: [site.policyFile] });
  expect(status.errors).toEqual([]);
  expect(status.publications.map(({ guest, state }) => [guest, state])).toContainEqual([
    "web1",
    "active",
  ]);
});

test("a policy file that is rewritten is followed", async () => {
  site.writePolicy(policy("tcp/81"));
  await until(() => holds(". tcp . 81 : 10.20.0.11 . 81"));
  expect(holds(". tcp . 80 :")).toBe(false);
});

test("a policy file that is replaced by rename is followed, again and again", async () => {
  for (const port of [82, 83, 84]) {
    writeFileSync(`${site.policyFile}.new`, policy(`tcp/${port}`));
    renameSync(`${site.policyFile}.new`, site.policyFile);
    await until(() => holds(`. tcp . ${port} : 10.20.0.11 . ${port}`));
  }
});

test("a policy with a mistake leaves the last good one in force, and status says so", async () => {
  site.writePolicy(policy("tcp/81").replace("publish:", "publsih:"));
  await daemon.said("policy-refused");
  expect(holds(". tcp . 80 : 10.20.0.11 . 80")).toBe(true);
  const status = site.status();
  expect(status.policy.inForce).toBe("last-good");
  expect(status.policy.problems.map(({ code }) => code)).toContain("UNKNOWN_KEY");
  const shown = site.run(["status"]);
  expect(shown.status).toBe(1);
  expect(shown.stdout).toContain("LAST GOOD");
  expect(site.run(["apply"])).toMatchObject({ status: 1 });
  site.writePolicy(policy("tcp/81"));
  await until(() => holds(". tcp . 81 :"));
});

test("a restart into a policy with a mistake keeps the last good one", async () => {
  await daemon.kill("SIGTERM");
  nft("flush", "ruleset");
  site.writePolicy("guests: [");
  daemon = await site.start();
  expect(site.status().policy.inForce).toBe("last-good");
  expect(holds(". tcp . 80 : 10.20.0.11 . 80")).toBe(true);
});

test("a new lease moves the publication", async () => {
  site.edit("leases/virbr20.status", (text) => text.replace("10.20.0.11", "10.20.0.99"));
  await until(() => holds(". tcp . 80 : 10.20.0.99 . 80"));
});

test("a guest that starts and one that stops are followed", async () => {
  site.edit("domains/web1.xml", (text) => text.replaceAll("vnet0", "vnet77"));
  await until(
    () => holds("vnet77") || nft("list", "table", "bridge", "virtwall").includes("vnet77"),
  );
});

test("a guest whose XML breaks keeps what it had, and the others are followed", async () => {
  site.edit("domains/web1.xml", (text) => text.replace("</domain>", ""));
  await daemon.said("guest-refused");
  expect(holds(". tcp . 80 : 10.20.0.11 . 80")).toBe(true);
  expect(site.status().policy.keptGuests).toEqual(["web1"]);
  site.writePolicy(policy("tcp/85"));
  await until(() => holds(". tcp . 85 : 10.20.0.11 . 85"));
});

test("reload by signal and by apply", async () => {
  expect(site.run(["apply"]).stdout).toContain("holds this already");
  daemon.child.kill("SIGHUP");
  site.writePolicy(policy("tcp/86"));
  const applied = site.run(["apply", "--json"]);
  expect(JSON.parse(applied.stdout)).toMatchObject({ by: "daemon" });
  await until(() => holds(". tcp . 86 :"));
});

test("publish add and remove edit the file, and the daemon takes it up at once", () => {
  const added = site.run(["publish", "add", "web1", "tcp/2222:22", "--address", "198.51.100.1"]);
  expect(added).toMatchObject({ status: 0, stderr: "" });
  expect(added.stdout).toContain("in force");
  expect(holds(". tcp . 2222 : 10.20.0.11 . 22")).toBe(true);
  expect(site.run(["publish", "list"]).stdout).toContain("tcp/2222:22");
  expect(site.run(["publish", "remove", "web1", "tcp/2222:22"])).toMatchObject({ status: 0 });
  expect(holds(". tcp . 2222 :")).toBe(false);
});

test("publish add to a policy that the daemon does not follow says so, and what it follows", () => {
  const other = `${site.policyFile}.other.yaml`;
  writeFileSync(other, "");
  const added = site.run(["publish", "add", "web1", "tcp/2222:22", "--policy", other]);
  expect(added.status).toBe(3);
  expect(added.stdout).toContain(`not in force: the daemon follows another policy`);
  expect(added.stdout).toContain(site.policyFile);
  expect(holds(". tcp . 2222 :")).toBe(false);
});

test("events tells what happened", () => {
  const events = site.run(["events", "--json"]);
  const names = events.stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { event: string }).event);
  expect(names).toEqual(expect.arrayContaining(["policy-taken", "applied"]));
});

test("a foreign chain that drops gets its pass rule, and again after each reload", async () => {
  const reload = () => {
    nft("flush", "ruleset");
    nft("add", "table", "inet", "filter");
    nft("add chain inet filter forward { type filter hook forward priority 0; policy drop; }");
  };
  for (let round = 0; round < 3; round++) {
    reload();
    await until(() => nft("list", "chain", "inet", "filter", "forward").includes("virtwall"));
  }
  expect(holds(". tcp . 80 :")).toBe(true);
  const { integration, gaps } = site.status();
  expect(integration.chains).toContainEqual(
    expect.objectContaining({ table: "filter", chain: "forward", state: "passed" }),
  );
  expect(gaps.passRules.count).toBeGreaterThan(0);
});

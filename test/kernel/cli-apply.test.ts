import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildPrograms, holds, nft, Site } from "./daemon-program.ts";

const policy = `networks:
  front: { mode: nat }
guests:
  web1:
    publish:
      - { address: 198.51.100.1, ports: [tcp/80] }
`;

let site: Site;

beforeAll(buildPrograms);

beforeEach(() => {
  site = new Site(policy);
});

afterEach(() => site.close());

test("apply without a daemon writes the kernel, says that nothing follows, and does nothing the second time", () => {
  const first = site.run(["apply"]);
  expect(first.status).toBe(0);
  expect(first.stdout).toContain("+ table inet virtwall");
  expect(first.stderr).toContain("until the daemon runs");
  expect(holds("198.51.100.1 . tcp . 80 : 10.20.0.11 . 80")).toBe(true);
  expect(site.run(["apply"]).stdout).toBe("the kernel holds this already\n");
});

test("a daemon adopts what apply wrote and rewrites nothing", async () => {
  site.run(["apply"]);
  // The table's own line tells who owns it, and handles of all else tell what was rewritten.
  const handles = () => nft("-a", "list", "table", "inet", "virtwall").split("\n").slice(2);
  const before = handles();
  const daemon = await site.start();
  expect(handles()).toEqual(before);
  expect(site.status().protection.mode).toBe("owner");
  await daemon.kill("SIGTERM");
});

test("diff tells the difference and ends with 4, then with 0", () => {
  const drift = site.run(["diff"]);
  expect(drift.status).toBe(4);
  expect(drift.stdout).toBe("+ table bridge virtwall\n+ table inet virtwall\n");
  site.run(["apply"]);
  site.writePolicy(policy.replace("tcp/80", "tcp/81"));
  const json = JSON.parse(site.run(["diff", "--json"]).stdout) as { changes: string[] };
  expect(json.changes).toContain(
    "+ element inet virtwall publish4 { 198.51.100.1 . tcp . 81 : 10.20.0.11 . 81 }",
  );
  expect(site.run(["apply"]).status).toBe(0);
  expect(site.run(["diff"]).status).toBe(0);
  // What it has understood of the policy is not parsed again, unless it is garbage.
  const file = join(site.folder, "state/parsed-policy.json");
  const parsed = readFileSync(file, "utf8").replace('"tcp/81"', '"tcp/82"');
  writeFileSync(file, parsed);
  expect(site.run(["diff"]).stdout).toContain("tcp . 82");
  writeFileSync(file, parsed.slice(1));
  expect(site.run(["diff"]).status).toBe(0);
});

test("a policy is compared with the one in force by what opens and closes, and a dry run writes nothing", () => {
  const opens = "everybody -> web1 tcp/81";
  const closes = opens.replace("81", "80");
  expect(site.run(["diff", "--reach"]).status).toBe(3);
  site.run(["apply"]);
  const file = join(site.folder, "new.yaml");
  writeFileSync(file, policy.replace("tcp/80", "tcp/81"));
  const said =
    `${opens} (publication 198.51.100.1:81) opens\n` +
    `${closes} (publication 198.51.100.1:80) closes\n`;
  expect(site.run(["diff", "--reach", file])).toMatchObject({ status: 4, stdout: said });
  expect(site.run(["diff", "--reach", file, file])).toMatchObject({
    status: 0,
    stdout: "nothing opens or closes\n",
  });
  const before = nft("list", "ruleset");
  const dry = site.run(["apply", file, "--dry-run"]);
  expect(dry).toMatchObject({ status: 0, stderr: "" });
  expect(dry.stdout).toContain(said);
  expect(nft("list", "ruleset")).toBe(before);
  const applied = JSON.parse(site.run(["apply", file, "--json"]).stdout) as object;
  expect(applied).toMatchObject({
    state: "applied",
    reach: { flows: [{ change: "opens", to: ["web1"], services: "tcp/81" }, { change: "closes" }] },
  });
  expect(site.run(["diff", "--reach"]).status).toBe(0);
});

test("apply puts pass rules into foreign chains that drop", () => {
  nft("add", "table", "inet", "filter");
  nft("add chain inet filter forward { type filter hook forward priority 0; policy drop; }");
  expect(site.run(["apply"]).stdout).toContain("pass rule inet filter forward");
  expect(nft("list", "chain", "inet", "filter", "forward")).toContain('comment "virtwall"');
});

test("a policy with a mistake changes nothing and is shown with its line", () => {
  site.run(["apply"]);
  site.writePolicy(policy.replace("tcp/80", "tcp/800000"));
  const refused = site.run(["apply"]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("ports: [tcp/800000]");
  expect(refused.stdout).toContain("nothing was changed");
  expect(holds(". tcp . 80 : 10.20.0.11 . 80")).toBe(true);
});

test("what compile prints is what nft takes, and check agrees", () => {
  const compiled = site.run(["compile"]);
  expect(compiled.status).toBe(0);
  const file = join(site.folder, "compiled.nft");
  writeFileSync(file, compiled.stdout);
  nft("-c", "-f", file);
  expect(site.run(["check"])).toMatchObject({ status: 0 });
});

test("wrong usage ends with 2", () => {
  expect(site.run(["apply", "--confirm", "soon"]).status).toBe(2);
  expect(site.run(["compile", "--backend", "iptables"]).status).toBe(2);
  expect(site.run(["nosuch"]).status).toBe(2);
  expect(site.run(["publish", "add", "web1"]).status).toBe(2);
  expect(site.run(["daemon", "--nosuch"]).status).toBe(2);
});

test.each(["apply FILE", "check --policy FILE", "integrate --file FILE", "adopt NAME --dry-run"])(
  "%s ends with 1 where nothing of that name is there",
  (words) => {
    const [file, name] = [join(site.folder, "nosuch"), "nosuch"];
    const typed = words.split(" ").map((word) => ({ FILE: file, NAME: name })[word] ?? word);
    expect(site.run(typed)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("nosuch"),
    });
  },
);

test("status without a daemon says so, and whether the kernel holds what it shows", () => {
  expect(site.run(["status"]).stdout).toContain("does not hold what is told here");
  expect(site.run(["publish", "list"]).stderr).toContain("no daemon runs");
  site.run(["apply"]);
  const status = site.run(["status"]);
  expect(status.status).toBe(1);
  expect(status.stdout).not.toContain("does not hold");
  expect(status.stdout).toContain("NOT RUNNING");
  expect(status.stdout).toContain("active to 10.20.0.11");
});

test("publish add without a daemon writes the file and says what is left to do", () => {
  const added = site.run(["publish", "add", "web2", "tcp/8080:80", "--address", "198.51.100.1"]);
  expect(added.status).toBe(0);
  expect(added.stdout).toContain("virtwall apply");
  const clash = site.run(["publish", "add", "web1", "tcp/8080", "--address", "198.51.100.1"]);
  expect(clash.status).toBe(1);
  expect(clash.stderr).toContain("PUBLISHED_TWICE");
  expect(site.run(["check"]).status).toBe(0);
});

test("apply of another policy or inventory than the daemon's is refused, with the name of its own", async () => {
  await site.start();
  const other = join(site.folder, "other.yaml");
  writeFileSync(other, policy.replace("tcp/80", "tcp/81"));
  const refused = site.run(["apply", "--policy", other]);
  expect(refused.status).toBe(3);
  expect(refused.stderr).toContain(`the daemon follows another policy (${site.policyFile})`);
  const elsewhere = site.run(["apply", "--inventory", site.folder]);
  expect(elsewhere.status).toBe(3);
  expect(elsewhere.stderr).toContain(`another inventory (${site.inventory})`);
  expect(site.run(["apply"]).status).toBe(0);
});

test("status without a daemon and without an inventory says that no daemon runs", () => {
  const { status, stderr } = site.run(["status", "--inventory", join(site.folder, "nosuch")]);
  expect(status).toBe(3);
  expect(stderr).toContain("no daemon");
  expect(stderr).toContain("does not exist");
});

test("status says of a gate that hangs that it does not answer", async () => {
  await site.start();
  const gate = site.gatePid() ?? 0;
  process.kill(gate, "SIGSTOP");
  try {
    const status = site.status();
    expect(status.gate).toBeUndefined();
    expect(status.errors).toContain("the gate does not answer");
    expect(status.publications).toHaveLength(1);
  } finally {
    process.kill(gate, "SIGCONT");
  }
});

test("a named policy that there is not keeps the daemon from being ready, and status says so", async () => {
  const daemon = site.launch(process.env, ["--policy", join(site.folder, "typo.yaml")]);
  await daemon.said("there is no policy");
  expect(site.status().policy.inForce).toBe("none");
  expect(daemon.output).not.toContain("ready");
});

test("an output that takes nothing more is told in one line", () => {
  const full = openSync("/dev/full", "w");
  const { status, stderr } = site.run(["compile"], { stdio: ["ignore", full, "pipe"] });
  closeSync(full);
  expect(status).toBe(3);
  expect(stderr).toBe("virtwall: the output cannot be written: no space left on device\n");
});

test("publish for a guest that does not run is pending, not in force", async () => {
  await site.start();
  const { status, stdout } = site.run(["publish", "add", "nosuch", "tcp/7001"]);
  expect(status).toBe(0);
  expect(stdout).toContain("pending: the daemon has taken it up, and opens it when it can");
  expect(stdout).not.toContain("in force");
  expect(site.run(["publish", "add", "web1", "tcp/7002"]).stdout).toContain("in force");
});

test("what keeps a command from an answer has one shape in JSON, whatever the exit status", () => {
  const said = (...words: string[]) => {
    const { status, stdout, stderr } = site.run([...words, "--json"]);
    const { error } = JSON.parse(stdout) as { error: { message: string; missing: unknown } };
    expect(stderr).toContain(error.message);
    return [status, error.message, error.missing];
  };
  expect(said("nwfilter", "dumpxml", "nosuch")).toEqual([
    1,
    "failed to get nwfilter 'nosuch': no nwfilter with matching name or uuid",
    null,
  ]);
  expect(said("nwfilter", "lits")).toEqual([2, expect.stringMatching(/'lits'\n.*list/), null]);
  expect(said("nwfilter", "check", "/nosuch")).toEqual([
    1,
    "Failed to open file '/nosuch': no such file or directory",
    null,
  ]);
  expect(said("events")).toEqual([3, expect.stringContaining("no daemon answers"), null]);
});

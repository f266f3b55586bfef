import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  buildPrograms,
  nft,
  programsWithoutKoffi,
  Site,
  until,
  type Ended,
} from "./daemon-program.ts";

const groupId = 64_750;
const [member, stranger] = [64_751, 64_752];
const policy = "networks:\n  front: { mode: nat }\n";

let site: Site;
let programs: string;

beforeAll(async () => {
  await buildPrograms();
  programs = programsWithoutKoffi();
  site = new Site(policy);
  for (const folder of [site.folder, programs]) chmodSync(folder, 0o755);
  // The group is there for this namespace alone.
  const groups = join(site.folder, "group");
  const others = readFileSync("/etc/group", "utf8").replaceAll(/^virtwall:.*\n/gm, "");
  writeFileSync(groups, `${others}virtwall:x:${groupId}:\n`, { mode: 0o644 });
  expect(spawnSync("mount", ["--bind", groups, "/etc/group"]).status).toBe(0);
  await site.start();
});

afterAll(async () => {
  spawnSync("umount", ["/etc/group"]);
  await site.close();
});

/** As a user with these groups beside their own. */
function runAs(user: number, groups: readonly number[], args: readonly string[]): Ended {
  const beside = groups.length === 0 ? ["--clear-groups"] : [`--groups=${groups.join(",")}`];
  const { status, stdout, stderr } = spawnSync(
    "setpriv",
    [`--reuid=${user}`, `--regid=${user}`, ...beside, process.execPath, ...wordsOf(args)],
    { encoding: "utf8", timeout: 30_000 },
  );
  return { status, stdout, stderr };
}

const wordsOf = (args: readonly string[]) => [
  join(programs, "bin/virtwall"),
  ...site.options,
  ...args,
];

const readers = () => join(dirname(site.socket), "readers.sock");

test("root's socket is root's alone, and that of the readers their group's", () => {
  const modes = [site.socket, readers()].map((file) => {
    const { mode, uid, gid } = statSync(file);
    return [mode & 0o777, uid, gid];
  });
  expect(modes).toEqual([
    [0o600, 0, 0],
    [0o660, 0, groupId],
  ]);
});

test.each([[["status"]], [["events"]], [["publish", "list"]]])(
  "a member of the group is told %s, and a stranger who may ask",
  (args) => {
    expect(runAs(member, [groupId], args)).toMatchObject({ status: 0, stderr: "" });
    const refused = runAs(stranger, [], args);
    expect(refused).toMatchObject({ status: 3, stdout: "" });
    expect(refused.stderr).toContain("permission denied: for root, and for the group virtwall");
  },
);

const question = ["tcp", "world", "198.51.100.1:80"];

test.each([
  ["explain", [...question]],
  ["explain", [...question, "--json"]],
  ["explain", ["udp", "host", "guest:web1:53", "--state", "established"]],
  ["explain", ["icmp", "10.20.0.11", "203.0.113.9", "--in", "front"]],
  ["explain", ["tcp", "host", "guest:nobody:80"]],
  ["explain", ["tcp", "--", "--yes", "-h:80"]],
  ["topology", []],
  ["topology", ["--json"]],
  ["nwfilter", ["bindings"]],
])("a member who says %s %s hears what root hears", (command, words) => {
  const [told, root] = [
    runAs(member, [groupId], [command, ...words]),
    site.run([command, ...words]),
  ];
  expect(told).toEqual(root);
  expect(root.stdout + root.stderr).not.toBe("");
});

test("which flows two policies tell apart is anybody's to ask", () => {
  const [old, wanted] = [join(site.folder, "old.yaml"), join(site.folder, "new.yaml")];
  writeFileSync(old, policy);
  writeFileSync(wanted, "networks:\n  front: { mode: isolated }\n");
  const told = runAs(stranger, [], ["diff", "--reach", old, wanted]);
  expect(told).toMatchObject({ status: 4, stderr: "" });
  expect(told.stdout).toContain("closes");
});

test.each([
  ["check"],
  ["compile"],
  ["nwfilter", "list"],
  ["nwfilter", "check"],
  ["nwfilter", "dumpxml", "clean-traffic"],
  ["completion", "bash"],
])("what reads files alone is anybody's: %s %s", (...args) => {
  const told = runAs(stranger, [], args);
  expect(told).toEqual(site.run(args));
  expect(told).toMatchObject({ status: 0, stderr: "" });
});

test.each([
  [["apply"]],
  [["apply", "--dry-run"]],
  [["confirm"]],
  [["rollback"]],
  [["rollback", "--list"]],
  [["stop"]],
  [["setup"]],
  [["diff"]],
  [["doctor"]],
  [["trace", "guest:web1"]],
  [["topology", "check"]],
  [["migrate", "--to", "nftables"]],
  [["integrate", "--dry-run"]],
  [["hook", "install"]],
  [["publish", "add", "web1", "tcp/80"]],
])("a member who says %s is told that it is root's, and nothing changes", (args) => {
  const before = nft("-s", "list", "ruleset");
  const refused = runAs(member, [groupId], args);
  expect(refused.status).toBe(3);
  expect(refused.stderr).toMatch(/must run as root|permission denied/);
  expect(nft("-s", "list", "ruleset")).toBe(before);
});

/** Sent as it is, past what our own command would say. */
function send(request: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(readers(), () =>
      socket.write(`${JSON.stringify({ version: 1, id: 1, ...request })}\n`),
    );
    socket.once("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

test.each([["reload"], ["hold"], ["hook"]])(
  "%s is refused on the readers' socket",
  async (request) => {
    const hook = { driver: "qemu", words: ["77"], xml: null };
    const reply = await send({ request, ...(request === "hook" && hook) });
    expect(reply).toContain(`${request}: root alone may change anything`);
  },
);

test.each([
  ["a word that no program can be given", { protocol: "tcp", from: "world", to: "a\0b:80" }],
  ["a state that is none", { protocol: "tcp", from: "world", to: "198.51.100.1:80", state: "x" }],
])("a question with %s is not understood", async (_name, words) => {
  const reply = await send({ request: "explain", call: { state: "new", ...words } });
  expect(reply).toContain("not understood");
});

test("where the daemon has been killed, a member hears that none runs", async () => {
  const { daemon } = site.status();
  process.kill(daemon?.pid ?? 0, "SIGKILL");
  await until(() => site.status().daemon === null);
  for (const args of [["events"], ["explain", ...question]]) {
    const { status, stderr } = runAs(member, [groupId], args);
    expect(status).toBe(3);
    expect(stderr).toContain("no daemon answers");
  }
});

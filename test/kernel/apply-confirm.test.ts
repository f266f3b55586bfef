import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildPrograms, holds, nft, Site, until } from "./daemon-program.ts";

const publishing = (port: number) => `guests:
  web1:
    publish:
      - { address: 198.51.100.1, ports: [tcp/${port}] }
`;
const element = (port: number) => `198.51.100.1 . tcp . ${port} : 10.20.0.11 . ${port}`;

let site: Site;
let candidate: string;

beforeAll(buildPrograms);

beforeEach(() => {
  site = new Site(publishing(80));
  candidate = join(site.folder, "new.yaml");
  writeFileSync(candidate, publishing(81));
});

afterEach(() => site.close());

test("a file becomes the policy once it has no errors, and what stood there is kept", () => {
  expect(site.run(["apply"]).status).toBe(0);
  expect(site.run(["apply", candidate]).status).toBe(0);
  expect(holds(element(81))).toBe(true);
  expect(readFileSync(site.policyFile, "utf8")).toBe(publishing(81));
  expect(readFileSync(`${site.policyFile}.before`, "utf8")).toBe(publishing(80));
  writeFileSync(candidate, publishing(99_999));
  const refused = site.run(["apply", candidate]);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(`${candidate}:4:`);
  expect(readFileSync(site.policyFile, "utf8")).toBe(publishing(81));
});

test.each(["a daemon", "no daemon"])(
  "what nobody confirms is taken back, beside %s",
  async (who) => {
    if (who === "a daemon") await site.start();
    else site.run(["apply"]);
    const applied = site.run(["apply", candidate, "--confirm", "2"]);
    expect(applied.stdout).toContain("taken back in 2 s, unless you say: virtwall confirm\n");
    expect(holds(element(81))).toBe(true);
    await until(() => holds(element(80)) && !holds(element(81)));
    expect(readFileSync(site.policyFile, "utf8")).toBe(publishing(80));
    await until(() => site.run(["confirm"]).stderr.includes("nothing waits"));
    const { held } = JSON.parse(site.run(["rollback", "--list", "--json"]).stdout) as {
      held: { number: number; by: string; isWritten: boolean }[];
    };
    expect(held.map(({ number, isWritten }) => [number, isWritten])).toEqual([
      [3, true],
      [2, false],
      [1, true],
    ]);
    expect(held[0]?.by).toBe("virtwall: not confirmed within 2 s");
  },
);

test("what is confirmed stays, and a second change has to wait until then", async () => {
  site.run(["apply"]);
  expect(site.run(["apply", candidate, "--confirm", "60"]).status).toBe(0);
  writeFileSync(candidate, publishing(82));
  const second = site.run(["apply", candidate, "--confirm", "60"]);
  expect(second.status).toBe(3);
  expect(second.stderr).toContain("a change waits for its confirmation");
  expect(site.run(["confirm"]).stdout).toBe("confirmed: it stays in force\n");
  // Nobody is left who could take it back.
  await until(() => site.waiters().length === 0);
  expect(holds(element(81))).toBe(true);
  expect(site.run(["confirm"]).status).toBe(1);
});

test("a daemon that had taken up the change already goes back to what was before it", async () => {
  await site.start();
  site.writePolicy(publishing(81));
  await until(() => holds(element(81)));
  expect(site.run(["apply", "--confirm", "1"]).status).toBe(0);
  await until(() => holds(element(80)) && !holds(element(81)));
});

test("nobody waits any more when the daemon starts, as after a reboot: the change is taken back", async () => {
  site.run(["apply"]);
  site.writePolicy(publishing(81));
  // What a machine leaves that went down while a change waited.
  const texts = { policy: [{ file: site.policyFile, text: publishing(80) }], ownFilters: [] };
  writeFileSync(
    join(site.state, "unconfirmed.json"),
    JSON.stringify({ id: "of-before", seconds: 60, before: texts }),
  );
  const daemon = await site.start();
  expect(holds(element(80))).toBe(true);
  expect(readFileSync(`${site.policyFile}.before`, "utf8")).toBe(publishing(81));
  expect(site.run(["events"]).stdout).toContain("the last change was not confirmed");
  expect(existsSync(join(site.state, "unconfirmed.json"))).toBe(false);
  await daemon.kill("SIGTERM");
});

test("what a broken taking back has left stops the next one, until it is confirmed", () => {
  site.run(["apply"]);
  const left = join(site.state, "taking-back.json");
  writeFileSync(left, JSON.stringify({ id: "left", seconds: 60 }));
  expect(site.run(["apply", candidate, "--confirm", "60"]).stderr).toContain("waits for its");
  expect(site.run(["rollback"]).status).toBe(3);
  expect(site.run(["confirm"]).status).toBe(0);
  expect(existsSync(left)).toBe(false);
  expect(readFileSync(site.policyFile, "utf8")).toBe(publishing(80));
});

test("nothing is taken back after stop --clean", async () => {
  site.run(["apply"]);
  expect(site.run(["apply", candidate, "--confirm", "60"]).status).toBe(0);
  expect(site.run(["stop", "--clean"]).status).toBe(0);
  expect(existsSync(site.state)).toBe(false);
  await until(() => site.waiters().length === 0);
  expect(nft("list", "tables")).toBe("");
});

/**
 * For programs that are started with it: the first nft since this file is in the folder of `--state` begins when `goOn` is called. What
 * the files say has been read by then, and nothing is in the kernel yet.
 */
function holdUpNft(file: string) {
  const folder = join(site.folder, "held-up");
  mkdirSync(folder);
  const [reached, go] = [join(folder, "reached"), join(folder, "go")];
  const script = `#!/bin/sh
if [ -e ${join(site.state, file)} ] && mkdir ${reached} 2>/dev/null; then
  until [ -e ${go} ]; do sleep 0.05; done
fi
PATH=\${PATH#*:} exec nft "$@"
`;
  writeFileSync(join(folder, "nft"), script, { mode: 0o755 });
  return {
    env: { ...process.env, PATH: `${folder}:${process.env["PATH"]}` },
    reached: () => until(() => existsSync(reached)),
    goOn: () => writeFileSync(go, ""),
  };
}

test("nothing is taken back after stop --clean that was being taken back when it began", async () => {
  site.run(["apply"]);
  const { env, reached, goOn } = holdUpNft("taking-back.json");
  expect(site.run(["apply", candidate, "--confirm", "1"], { env }).status).toBe(0);
  await reached();
  const stopping = site.begin([...site.options, "stop", "--clean"]);
  await until(() => !existsSync(join(site.state, "taking-back.json")));
  goOn();
  expect(await stopping.ended).toBe(0);
  await until(() => site.waiters().length === 0);
  expect(nft("list", "tables")).toBe("");
  expect(existsSync(site.state)).toBe(false);
});

/** For programs that are started with it: while the kernel holds the one port and the files say the other, listing what it holds fails twice. */
function breakNft(held: number, written: number): NodeJS.ProcessEnv {
  const folder = join(site.folder, "broken");
  mkdirSync(folder);
  const script = `#!/bin/sh
PATH=\${PATH#*:}
case "$*" in *'"inet"'* | *"-j list ruleset") ;; *) exec nft "$@" ;; esac
if grep -q tcp/${written} ${site.policyFile} && nft list ruleset | grep -q 'tcp . ${held} :'; then
  for time in 1 2; do
    mkdir ${folder}/$time 2>/dev/null && echo "no memory" >&2 && exit 1
  done
fi
exec nft "$@"
`;
  writeFileSync(join(folder, "nft"), script, { mode: 0o755 });
  return { ...process.env, PATH: `${folder}:${process.env["PATH"]}` };
}

test("what cannot be taken back is tried again and again, and what the files said is kept once", async () => {
  site.run(["apply"]);
  const env = breakNft(81, 80);
  expect(site.run(["apply", candidate, "--confirm", "3"], { env }).status).toBe(0);
  await until(() => existsSync(join(site.folder, "broken/2")));
  expect(site.run(["confirm"]).stderr).toContain("it is being taken back already");
  await until(() => site.waiters().length === 0);
  expect([holds(element(80)), holds(element(81))]).toEqual([true, false]);
  expect(existsSync(join(site.state, "taking-back.json"))).toBe(false);
  const copies = readdirSync(site.folder).filter((name) => name.includes(".before"));
  expect(copies).toEqual(["policy.yaml.before", "policy.yaml.before.2"]);
});

test("a change that is in force only after its time is taken back all the same, however often that fails", async () => {
  site.run(["apply"]);
  const { env, reached, goOn } = holdUpNft("unconfirmed.json");
  const [heldUp = ""] = env.PATH.split(":");
  const broken = breakNft(81, 80);
  const applying = site.begin([...site.options, "apply", candidate, "--confirm", "1"], {
    ...broken,
    PATH: `${heldUp}:${broken["PATH"]}`,
  });
  await reached();
  await until(() => site.waiters().length === 0);
  goOn();
  expect(await applying.ended).toBe(3);
  expect(applying.output).toContain("virtwall: not taken back yet: ");
  expect(applying.output).toContain("the time was over before it was in force");
  expect(holds(element(80))).toBe(true);
  expect(readFileSync(site.policyFile, "utf8")).toBe(publishing(80));
});

test("who is slow to begin waiting is waited for by a daemon that starts, though who began the change is gone", async () => {
  site.run(["apply"]);
  const [slow, go] = [join(site.folder, "slow.mjs"), join(site.folder, "go")];
  writeFileSync(
    slow,
    `import { existsSync } from "node:fs";
const pause = new Int32Array(new SharedArrayBuffer(4));
if (process.argv.includes("--unless-confirmed"))
  while (!existsSync(${JSON.stringify(go)})) Atomics.wait(pause, 0, 0, 20);
`,
  );
  const env = { ...process.env, NODE_OPTIONS: `--import ${slow}` };
  const applying = site.begin([...site.options, "apply", candidate, "--confirm", "1"], env);
  await until(() => site.waiters().length > 0);
  await applying.kill("SIGKILL");
  await site.start();
  expect(existsSync(join(site.state, "unconfirmed.json"))).toBe(true);
  writeFileSync(go, "");
  await until(() => site.waiters().length === 0);
  expect(existsSync(join(site.state, "unconfirmed.json"))).toBe(false);
});

test("the daemon is killed while a change waits, and it is taken back all the same", async () => {
  const daemon = await site.start();
  expect(site.run(["apply", candidate, "--confirm", "2"]).status).toBe(0);
  await daemon.kill("SIGKILL");
  await until(() => readFileSync(site.policyFile, "utf8") === publishing(80));
  await until(() => holds(element(80)) && !holds(element(81)));
});

test("where nothing was in force before, what nobody confirms leaves nothing in force", async () => {
  expect(site.run(["apply", "--confirm", "1"]).status).toBe(0);
  expect(holds(element(80))).toBe(true);
  await until(() => nft("list", "tables") === "");
  expect(existsSync(site.policyFile)).toBe(false);
  expect(readFileSync(`${site.policyFile}.before`, "utf8")).toBe(publishing(80));
});

test("rollback writes what was in force before, or what is named, filters and all", async () => {
  const filters = join(site.folder, "nwfilter");
  site.run(["apply"]);
  mkdirSync(filters);
  writeFileSync(join(filters, "mine.xml"), "<filter name='mine'/>");
  site.run(["apply", candidate]);
  rmSync(join(filters, "mine.xml"));
  writeFileSync(candidate, publishing(82));
  site.run(["apply", candidate]);
  const back = site.run(["rollback"]);
  expect(back.status).toBe(0);
  expect(back.stdout).toContain("number 2 of");
  expect(holds(element(81))).toBe(true);
  expect(readFileSync(join(filters, "mine.xml"), "utf8")).toBe("<filter name='mine'/>");
  expect(site.run(["rollback", "1"]).status).toBe(0);
  expect(holds(element(80))).toBe(true);
  expect(existsSync(join(filters, "mine.xml"))).toBe(false);
  expect(site.run(["rollback", "17"]).status).toBe(1);
});

test("the history tells what opened and closed, of an apply as it said and of an edited file by the guests of now", async () => {
  const moves = (from: number, to: number) => [
    `everybody -> web1 tcp/${to} (publication 198.51.100.1:${to}) opens`,
    `everybody -> web1 tcp/${from} (publication 198.51.100.1:${from}) closes`,
  ];
  const daemon = await site.start();
  site.writePolicy(publishing(81));
  await until(() => holds(element(81)));
  writeFileSync(candidate, publishing(82));
  const said = site.run(["apply", candidate]).stdout;
  await until(() => holds(element(82)));
  await daemon.kill("SIGTERM");
  const back = site.run(["rollback"]);
  const { held } = JSON.parse(site.run(["rollback", "--list", "--json"]).stdout) as {
    held: { number: number; reach: string[] | null }[];
  };
  expect(held.map(({ reach }) => reach)).toEqual([
    moves(82, 81),
    moves(81, 82),
    moves(80, 81),
    null,
  ]);
  for (const line of moves(81, 82)) expect(said).toContain(`${line}\n`);
  for (const line of moves(82, 81)) expect(back.stdout).toContain(`${line}\n`);
  const listed = site.run(["rollback", "--list"]).stdout;
  for (const line of moves(81, 82)) expect(listed).toContain(`\n    ${line}\n`);
});

test("only the last ten are kept", () => {
  for (let port = 80; port < 92; port++) {
    site.writePolicy(publishing(port));
    site.run(["apply"]);
  }
  const all = site.run(["rollback", "--list"]).stdout.trimEnd().split("\n");
  const lines = all.filter((line) => !line.startsWith(" "));
  expect(lines).toHaveLength(10);
  expect(lines[0]).toMatch(/^12 .*\(what the files say\)$/);
  expect(lines.at(-1)).toMatch(/^3 /);
});

test("who would not get in again is told the rule, and may try with --confirm", async () => {
  const env = { ...process.env, SSH_CONNECTION: "203.0.113.9 51234 198.51.100.1 22" };
  const closing = `host:
  input:
    - { allow: tcp/22, from: 203.0.113.8 }
`;
  site.run(["apply"]);
  writeFileSync(candidate, closing);
  const refused = site.run(["apply", candidate], { env });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("CUTS_OPERATOR: no rule of host.input allows tcp/22");
  expect(holds(element(80))).toBe(true);
  expect(site.run(["apply", candidate, "--confirm", "3"], { env }).status).toBe(0);
  expect(holds("ip saddr 203.0.113.8 tcp dport 22 accept")).toBe(true);
  await until(() => holds(element(80)));
  writeFileSync(candidate, closing.replace("203.0.113.8", "203.0.113.0/24"));
  expect(site.run(["apply", candidate], { env }).status).toBe(0);
});

test.each(["0", "-5", "1.5", "soon", "100000"])("--confirm %s is no time", (seconds) => {
  const { status, stderr } = site.run(["apply", `--confirm=${seconds}`]);
  expect(status).toBe(2);
  expect(stderr).toContain("seconds, 1 to 86400");
});

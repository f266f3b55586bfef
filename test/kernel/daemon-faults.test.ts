import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openKernel } from "../../src/edge/nft/open-kernel.ts";
import { buildPrograms, holds, nft, Site, until } from "./daemon-program.ts";

const policy = (port: number) => `networks:
  front: { mode: nat }
guests:
  web1:
    publish:
      - { address: 198.51.100.1, ports: [tcp/${port}] }
`;

let site: Site;

beforeAll(buildPrograms);

beforeEach(() => {
  site = new Site(policy(80));
});

afterEach(() => site.close());

test("in owner mode another program's flush changes nothing of ours", async () => {
  const daemon = await site.start();
  expect(site.status().protection).toEqual({ mode: "owner" });
  expect(site.run(["doctor", "table-owner"]).status).toBe(0);
  const before = nft("-a", "list", "table", "inet", "virtwall");
  nft("flush", "ruleset");
  expect(nft("-a", "list", "table", "inet", "virtwall")).toBe(before);
  expect(daemon.output).not.toContain("restored");
});

test("killed, it leaves rules that a flush cannot take, and the next daemon rewrites nothing", async () => {
  const daemon = await site.start();
  await daemon.kill("SIGKILL");
  const before = nft("-a", "list", "table", "inet", "virtwall");
  nft("flush", "ruleset");
  expect(nft("-a", "list", "table", "inet", "virtwall")).toBe(before);
  const next = await site.start();
  expect(nft("-a", "list", "table", "inet", "virtwall")).toBe(before);
  expect(next.output).not.toContain('"applied"');
});

test("killed once its rules are sealed, it is ready again without listing them, and mends what another client of the gate changed", async () => {
  const daemon = await site.start();
  const gate = await openKernel({ gate: "none", socket: join(dirname(site.socket), "gate.sock") });
  const readSeal = () => gate.readSeal();
  await expect.poll(readSeal, { timeout: 30_000 }).toBeDefined();
  await daemon.kill("SIGKILL");
  askForThePublication();
  const before = nft("-a", "list", "table", "inet", "virtwall");
  expect(before).toContain("tcp . 80 counter packets 1 bytes");
  const { env, wasAsked, answer } = listingThatWaits();
  const next = site.launch(env);
  await next.said("ready");
  answer();
  await until(wasAsked);
  expect(site.run(["apply"]).stdout).toContain("holds this already");
  expect(nft("-a", "list", "table", "inet", "virtwall")).toBe(before);
  expect(next.output).not.toMatch(/"applied"|"restored"/);
  await next.kill("SIGKILL");
  expect(await readSeal()).toBeDefined();
  await gate.commit("delete element inet virtwall publish4 { 198.51.100.1 . tcp . 80 }\n");
  expect(await readSeal()).toBeUndefined();
  gate.close();
  expect(holds(". tcp . 80 : 10.20.0.11")).toBe(false);
  await site.start();
  expect(holds(". tcp . 80 : 10.20.0.11")).toBe(true);
});

/** From the host itself: the first packet is counted where it is admitted, and nobody answers it. */
function askForThePublication(): void {
  const [address, route] = ["198.51.100.1/32", "10.20.0.0/24"];
  spawnSync("ip", ["address", "add", address, "dev", "lo"]);
  spawnSync("ip", ["route", "add", route, "dev", "lo"]);
  spawnSync("timeout", ["0.5", "bash", "-c", "</dev/tcp/198.51.100.1/80"]);
  spawnSync("ip", ["route", "del", route, "dev", "lo"]);
  spawnSync("ip", ["address", "del", address, "dev", "lo"]);
}

/** An environment in which nobody is told what our tables hold until {@link answer}. */
function listingThatWaits() {
  const programs = join(site.folder, "programs");
  const [asked, answered] = [join(programs, "asked"), join(programs, "answered")];
  mkdirSync(programs);
  const script = `case "$*" in *list*virtwall*) touch ${asked}; until [ -e ${answered} ]; do sleep 0.02; done; esac`;
  const lines = ["#!/bin/sh", `PATH=\${PATH#${programs}:}`, script, 'exec nft "$@"', ""];
  writeFileSync(join(programs, "nft"), lines.join("\n"), { mode: 0o755 });
  return {
    env: { ...process.env, PATH: `${programs}:${process.env["PATH"] ?? ""}` },
    wasAsked: () => existsSync(asked),
    answer: () => writeFileSync(answered, ""),
  };
}

test("ended by SIGTERM, twice and while the gate hangs, it leaves the rules and no socket, and ends with 0", async () => {
  const daemon = await site.start();
  const gate = site.status().gate?.pid ?? 0;
  expect(gate).toBeGreaterThan(1);
  process.kill(gate, "SIGSTOP");
  try {
    daemon.child.kill("SIGTERM");
    await daemon.said("the daemon ends");
    expect(await daemon.kill("SIGTERM")).toBe(0);
  } finally {
    process.kill(gate, "SIGCONT");
  }
  expect(existsSync(site.socket)).toBe(false);
  expect(holds(". tcp . 80 :")).toBe(true);
});

test("when the gate is killed the rules stay and a new gate owns them", async () => {
  await site.start();
  const pid = site.status().gate?.pid ?? 0;
  expect(pid).toBeGreaterThan(1);
  process.kill(pid, "SIGKILL");
  await until(() => ![undefined, pid].includes(site.status().gate?.pid));
  await until(() => site.status().protection.mode === "owner");
  nft("flush", "ruleset");
  expect(holds(". tcp . 80 :")).toBe(true);
});

test("a daemon that starts while libvirt says nothing takes a reload, and ends with 0", async () => {
  const programs = join(site.folder, "programs");
  mkdirSync(programs);
  writeFileSync(join(programs, "virsh"), "#!/bin/sh\nexec sleep 1000\n", { mode: 0o755 });
  const env = { ...process.env, PATH: `${programs}:${process.env["PATH"] ?? ""}` };
  const { policyFile, state, socket } = site;
  const words = ["--policy", policyFile, "--state", state, "--socket", socket];
  const daemon = site.begin(["daemon", ...words], env);
  const answers = () =>
    site.run(["status", "--json"]).stdout.includes(`"pid": ${daemon.child.pid}`);
  await until(answers);
  daemon.child.kill("SIGHUP");
  expect(answers()).toBe(true);
  expect(await daemon.kill("SIGTERM")).toBe(0);
});

test("a second daemon on the same socket refuses in one line", async () => {
  await site.start();
  const second = site.run(["daemon"]);
  expect(second).toMatchObject({ status: 3, stdout: "" });
  expect(second.stderr).toBe(`virtwall: another daemon serves ${site.socket}\n`);
});

test("a socket that some other program serves is refused and left alone", async () => {
  mkdirSync(dirname(site.socket), { recursive: true });
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(site.socket, resolve));
  const daemon = site.launch();
  expect(await daemon.ended).toBe(3);
  expect(daemon.output).toContain("another daemon serves");
  await new Promise((resolve) => server.close(resolve));
});

test("a socket file that nobody serves is replaced", async () => {
  const daemon = await site.start();
  await daemon.kill("SIGKILL");
  await site.start();
  expect(site.status().policy.inForce).toBe("current");
});

test("killed at any moment of an apply, the kernel holds the old or the new, and the next start converges", async () => {
  const first = await site.start();
  await first.kill("SIGTERM");
  let [from, to] = [80, 81];
  for (let round = 0; round < 8; round++) {
    site.writePolicy(policy(to));
    const daemon = site.launch();
    await sleep(120 + round * 25);
    await daemon.kill("SIGKILL");
    const [old, fresh] = [holds(`. tcp . ${from} :`), holds(`. tcp . ${to} :`)];
    expect([old, fresh]).toContain(true);
    expect(old && fresh).toBe(false);
    expect(holds(". tcp . ")).toBe(true);
    if (fresh) [from, to] = [to, from];
  }
  const last = await site.start();
  expect(site.run(["diff"])).toMatchObject({ status: 0 });
  await last.kill("SIGTERM");
});

test("a full disk costs a warning: the kernel is right and the old state stays", async () => {
  mkdirSync(site.state);
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", site.state]);
  const daemon = await site.start();
  const stateFile = join(site.state, "last-good-policy.json");
  await until(() => readFileSync(stateFile, "utf8").includes("tcp/80"));
  const old = readFileSync(stateFile, "utf8");
  spawnSync("dd", ["if=/dev/zero", `of=${join(site.state, "fill")}`, "bs=1k"]);
  site.writePolicy(policy(81));
  await daemon.said("no space left");
  expect(holds(". tcp . 81 :")).toBe(true);
  expect(readFileSync(stateFile, "utf8")).toBe(old);
  expect(site.status().errors.join()).toContain("no space left");
  expect(daemon.output).toMatch(/<4>.*no space left/);
  expect(site.run(["apply"])).toMatchObject({ status: 0 });
  await daemon.kill("SIGTERM");
  spawnSync("umount", ["-l", site.state]);
});

test("a policy folder that comes later is followed", async () => {
  await site.start();
  const folder = join(dirname(site.policyFile), "policy.d");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "more.yaml"),
    "guests:\n  web2:\n    publish:\n      - { address: 198.51.100.1, ports: [tcp/90] }\n",
  );
  await until(() => holds(". tcp . 90 : 10.20.0.12 . 90"));
});

test("without nft it refuses and names the package", () => {
  const programs = join(dirname(site.policyFile), "programs");
  mkdirSync(programs);
  const ip = spawnSync("sh", ["-c", "command -v ip"], { encoding: "utf8" }).stdout.trim();
  symlinkSync(ip, join(programs, "ip"));
  const env = { PATH: programs };
  for (const command of ["apply", "diff", "daemon"]) {
    const ended = site.run([command], { env });
    expect(ended.status).toBe(3);
    expect(ended.stderr).toContain("apt install nftables");
  }
});

test("without root it refuses in one line", () => {
  for (const command of ["apply", "diff", "daemon", "status", "integrate"]) {
    const ended = site.run([command], { uid: 65534 });
    expect(ended).toMatchObject({ status: 3, stdout: "" });
    expect(ended.stderr).toMatch(/^virtwall: .* (must run as root|denied: for root, .*)\n$/);
  }
});

test("a firewall that is reloaded without end is not fought: it is answered once a second, and status says so", async () => {
  await site.start();
  const file = join(site.folder, "strict.nft");
  const chain =
    "add chain inet strict forward { type filter hook forward priority 0; policy drop; }";
  writeFileSync(
    file,
    `add table inet strict\ndelete table inet strict\nadd table inet strict\n${chain}\n`,
  );
  const loop = spawn("sh", ["-c", 'while :; do nft -f "$1"; done', "sh", file]);
  const contested = () => site.status().integration.contested;
  try {
    await until(() => contested() !== undefined);
    // From the kernel's word of a reload to the answer.
    await until(() => (site.status().gaps.passRules.longestMs ?? 0) > 900);
    expect(site.run(["events", "--json"]).stdout).toContain('"contested"');
    // Who it was the kernel tells only where the process still runs by then.
    expect(site.run(["status"]).stdout).toMatch(/contested .* took pass rules away/);
  } finally {
    loop.kill("SIGKILL");
    await once(loop, "close");
  }
  await until(() => nft("list", "table", "inet", "strict").includes('comment "virtwall"'));
});

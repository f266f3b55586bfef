import { copyFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bareRoot } from "../../lab/bare-debian.ts";
import { projectRoot } from "../../lab/project-root.ts";
import { mustRun } from "../../lab/run-program.ts";
import type { Running } from "../../lab/running.ts";
import { startWorld, type World } from "../../lab/world.ts";
import { buildPackages, packageEnv as env } from "./build-packages.ts";

const [first, second] = ["1.0", "1.1"];

let packages: string;

beforeAll(async () => {
  packages = await mkdtemp(join(tmpdir(), "virtwall-packages-"));
  await mustRun(["node", "dist/system/manual.js", "dist/man"], { cwd: projectRoot() });
  await buildPackages(packages, "--version", first);
  await buildPackages(packages, "--version", second, "--without-node");
});

afterAll(() => rm(packages, { recursive: true, force: true }));

test("the same tree gives the same bytes", async () => {
  const again = join(packages, "again");
  await buildPackages(again, "--version", second, "--without-node");
  const [name = ""] = (await mustRun(["ls", again])).trim().split("\n");
  const [one, other] = [packages, again].map((folder) => readFile(join(folder, name)));
  expect((await one)?.equals((await other) ?? Buffer.alloc(0))).toBe(true);
});

// Debian 12 has no Node that is new enough, Debian 13 has.
describe.each([
  { suite: "bookworm", names: ["virtwall-node", "virtwall"] },
  { suite: "trixie", names: ["virtwall"] },
] as const)("in a bare $suite", ({ suite, names }) => {
  let world: World;
  let before: string;
  let daemon: Running | undefined;

  const run = (...argv: readonly string[]) => world.run(argv, { env });
  const must = (...argv: readonly string[]) => world.must(argv, { env });
  const fileOf = (name: string, version: string) =>
    must("sh", "-c", `echo ${world.folder}/${name}_${version}_*.deb`).then((text) => text.trim());
  const apt = async (...words: readonly string[]) =>
    must("apt-get", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", ...words);

  beforeAll(async () => {
    world = await startWorld({ root: await bareRoot(suite), isBare: true });
    await cp(packages, world.folder, { recursive: true });
    await copyFile(join(import.meta.dirname, "zsh-answers.zsh"), join(world.folder, "answers"));
    await cp(join(projectRoot(), "test/inventories/open"), join(world.folder, "inventory"), {
      recursive: true,
    });
    // libvirt's own package has it.
    await must("mkdir", "-p", "/etc/libvirt/hooks");
    before = await files();
  });

  afterAll(async () => {
    await daemon?.end("SIGKILL");
    await world.stop();
  });

  /** Every file with mode and owner, and what stands in /etc; not what dpkg and others log and cache. */
  async function files(): Promise<string> {
    const passedOver = ["/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/apt", "/tmp", "/root"];
    const pruned = passedOver.flatMap((path) => ["-path", path, "-prune", "-o"]);
    const listed = await must("find", "/", "-xdev", ...pruned, "-printf", "%p %y %m %u %g\\n");
    const sums = await must("sh", "-c", "find /etc -type f -not -name '*-' -exec md5sum {} +");
    const inOrder = (text: string) =>
      text
        .split("\n")
        .filter((line) => !line.includes(world.folder))
        .toSorted((a, b) => (a < b ? -1 : 1))
        .join("\n");
    return inOrder(listed) + inOrder(sums);
  }

  test("apt installs it, and nothing is started, enabled, or in the kernel", async () => {
    if (suite === "bookworm") {
      const alone = await run("apt-get", "-s", "install", await fileOf("virtwall", first));
      expect(alone.status).toBe(100);
      expect(alone.stdout + alone.stderr).toMatch(/nodejs \(>= 20\.19\)/);
    }
    await apt("install", ...(await Promise.all(names.map((name) => fileOf(name, first)))));
    expect(await must("virtwall", "--version")).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/);
    expect(await must("getent", "group", "virtwall")).toContain("virtwall");
    expect((await run("systemctl", "is-enabled", "virtwall")).stdout).toBe("disabled\n");
    expect(await must("nft", "list", "ruleset")).toBe("");
    expect((await run("pgrep", "-f", "virtwall")).stdout).toBe("");
  });

  test("without a policy, and with the example, nothing is wrong", async () => {
    const example = ["--policy", "/usr/share/doc/virtwall/examples/policy.yaml"];
    for (const policy of [[], example]) {
      const inventory = ["--inventory", `${world.folder}/inventory`];
      expect(await must("virtwall", ...policy, ...inventory, "check")).toContain("no problems");
    }
    // The program writes the policy, so dpkg must not ask about it.
    expect(await must("dpkg-query", "-W", "-f", "${Conffiles}", "virtwall")).toBe("");
  });

  test("the pages are there and have no faults", async () => {
    for (const page of ["virtwall", "virtwall-policy"]) {
      const shown = await run("man", "--warnings", "-Tutf8", page);
      expect(shown).toMatchObject({ status: 0, stderr: "" });
      expect(shown.stdout).toContain("libvirt");
    }
  });

  test("bash, zsh and fish complete it where the package has put what they load", async () => {
    const bash = `. /usr/share/bash-completion/bash_completion
      _completion_loader virtwall
      COMP_WORDS=(virtwall publish '') COMP_CWORD=2; _virtwall; echo "\${COMPREPLY[*]}"`;
    expect(await must("bash", "-c", bash)).toBe("list add remove\n");
    const zsh = (line: string, pattern: string) =>
      must("zsh", `${world.folder}/answers`, line, pattern);
    expect(await zsh("virtwall publ", "*virtwall publish *")).toBe("shown\n");
    expect(await zsh("virtwall publish ", "*list*remove*take publications back*")).toBe("shown\n");
    expect(await zsh("virtwall --policy check publish add --a", "*--address *")).toBe("shown\n");
    expect(await zsh("virtwall migrate --to nf", "*nftables *")).toBe("shown\n");
    const fish = async (line: string) => {
      const shown = await must("fish", "-c", `complete -C '${line}'`);
      return shown
        .trim()
        .split("\n")
        .map((one) => one.split("\t")[0]);
    };
    expect(await fish("virtwall publish ")).toEqual(["add", "list", "remove"]);
    expect(await fish("virtwall --policy check migrate --to ")).toEqual(["iptables", "nftables"]);
    expect(await fish("virtwall publish add --addr")).toEqual(["--address"]);
    expect(await fish("virtwall apply /etc/hostna")).toEqual(["/etc/hostname"]);
  });

  if (suite === "trixie") {
    test("lintian finds nothing in either package", async () => {
      for (const name of ["virtwall", "virtwall-node"]) {
        const deb = await fileOf(name, first);
        const found = await run("lintian", "--allow-root", "--fail-on", "error,warning", deb);
        expect(found.status, found.stdout + found.stderr).toBe(0);
      }
    });
  }

  test("an upgrade keeps policy, hooks and rules, and the gate that owns them", async () => {
    const inventory = ["--inventory", `${world.folder}/inventory`];
    const mine = "networks:\n  front: { mode: nat }\n";
    await writeFile(world.pathOf("/etc/virtwall/policy.yaml"), mine);
    daemon = await world.start(["virtwall", "daemon", ...inventory], { env });
    await expect.poll(() => daemon?.stdout(), { timeout: 60_000 }).toContain("ready");
    await must("virtwall", "hook", "install");
    const held = () => must("nft", "-s", "list", "ruleset");
    const gate = async () => {
      const { stdout } = await run("virtwall", "status", "--json");
      return (JSON.parse(stdout) as { gate?: { pid: number } }).gate?.pid;
    };
    const [rules, pid] = [await held(), await gate()];
    expect(pid).toBeGreaterThan(0);
    expect(rules).toContain("table inet virtwall");
    await apt("install", await fileOf("virtwall", second));
    expect(await must("dpkg-query", "-W", "-f", "${Version}", "virtwall")).toBe(second);
    expect([await held(), await gate()]).toEqual([rules, pid]);
    expect(await must("cat", "/etc/virtwall/policy.yaml")).toBe(mine);
    expect(await must("virtwall", "hook", "status")).not.toMatch(/stale|missing/);
  });

  test("removed, it takes rules, hooks and processes along, and leaves the policy", async () => {
    await apt("remove", "virtwall");
    expect(await must("nft", "list", "ruleset")).toBe("");
    expect((await run("pgrep", "-f", "virtwall")).stdout).toBe("");
    expect(await must("sh", "-c", "ls /etc/virtwall; find /etc/libvirt/hooks -type f")).toBe(
      "policy.yaml\n",
    );
  });

  test("purged, it leaves no file behind", async () => {
    await apt("purge", ...names);
    expect((await run("getent", "group", "virtwall")).status).toBe(2);
    expect(await files()).toBe(before);
  });
});

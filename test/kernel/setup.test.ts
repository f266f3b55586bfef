import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { builtPrograms, buildPrograms, nft, Site, until } from "./daemon-program.ts";

let site: Site;
let hooks: string;

beforeAll(buildPrograms);

beforeEach(() => {
  site = new Site("");
  rmSync(site.policyFile);
  hooks = join(site.folder, "hooks");
  mkdirSync(hooks);
});

afterEach(() => site.close());

const setup = (...words: readonly string[]) => site.run(["setup", "--hooks-dir", hooks, ...words]);
const policy = () => readFileSync(site.policyFile, "utf8");
const isUntouched = () =>
  !existsSync(site.policyFile) && nft("list", "tables") === "" && !existsSync(`${hooks}/qemu.d`);

const script = `#!/bin/bash
if [ "$1" = web1 ] && [ "$2" = start ]; then
  iptables -t nat -A PREROUTING -p tcp -d 198.51.100.1 --dport 8080 -j DNAT --to 10.20.0.11:80
fi
`;

/** Setup at a terminal, by script(1): each answer is typed once its question is there. Answers what was shown. */
async function atTerminal(
  answers: readonly (readonly [question: string, answer: string | ((shown: string) => string)])[],
  words: readonly string[] = [],
): Promise<{ readonly status: number | null; readonly shown: string }> {
  const quoted = [...site.options, "setup", "--hooks-dir", hooks, ...words].map(
    (word) => `'${word}'`,
  );
  const command = `'${process.execPath}' '${join(builtPrograms, "bin/virtwall")}' ${quoted.join(" ")}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { ...process.env, TERM: "dumb" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let shown = "";
  let from = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => (shown += text));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  for (const [question, answer] of answers) {
    await until(
      () => shown.indexOf(question, from) >= 0 || child.exitCode !== null,
      () => shown,
    );
    expect(shown.slice(from)).toContain(question);
    from = shown.indexOf(question, from) + question.length;
    if (typeof answer === "string") child.stdin.write(answer);
    else {
      await until(() => /\n> /.test(shown.slice(from)));
      child.stdin.write(answer(shown.slice(from)));
    }
  }
  const status = await ended;
  return { status, shown };
}

test("without a terminal it says what it would do, does nothing, and ends with 2", () => {
  const asked = setup("--services", "tcp/22");
  expect(asked.status).toBe(2);
  expect(asked.stdout).toContain("  input:\n    - { allow: [tcp/22] }\n");
  expect(asked.stdout).toContain("this host");
  expect(asked.stderr).toContain("--yes");
  expect(isUntouched()).toBe(true);
});

test("an error that stands elsewhere ends it before the first question", async () => {
  mkdirSync(join(site.folder, "policy.d"));
  writeFileSync(join(site.folder, "policy.d/other.yaml"), "frob: 1\n");
  const { status, shown } = await atTerminal([]);
  expect(status, shown).toBe(1);
  expect(shown).toContain("other.yaml:1");
  expect(shown).not.toContain("Pass rules in their chains");
});

test("who came by ssh and calls it by a sudo that keeps no variables is not locked out", () => {
  const words = [...site.options, "setup", "--yes", "--services", "tcp/22", "--hooks-dir", hooks];
  const program = [process.execPath, join(builtPrograms, "bin/virtwall"), ...words];
  const { status, stderr } = spawnSync(
    "sh",
    ["-c", 'env -i PATH="$PATH" "$@"; exit $?', "sh", ...program],
    {
      encoding: "utf8",
      env: { ...process.env, SSH_CONNECTION: "198.51.100.9 50000 198.51.100.1 2222" },
    },
  );
  expect(status, stderr).toBe(1);
  expect(stderr).toContain("tcp/2222");
  expect(isUntouched()).toBe(true);
});

test("who may is asked of services that are named", () => {
  expect(setup("--yes", "--from", "198.51.100.0/24")).toMatchObject({ status: 2, stdout: "" });
  expect(isUntouched()).toBe(true);
});

test("with --yes it writes a policy that check accepts, applies it and installs the hooks", () => {
  expect(setup("--yes")).toMatchObject({ status: 0 });
  expect(policy()).toContain("integration: auto");
  expect(site.run(["check"])).toMatchObject({ status: 0 });
  expect(nft("list", "tables")).toContain("inet virtwall");
  expect(existsSync(join(hooks, "qemu.d/virtwall"))).toBe(true);
});

test.each([
  ["a word that is no service", ["--services", "tcp/22,frob"], "frob"],
  ["an uplink that cannot be", ["--uplinks", "eth0,a/b"], "a/b"],
  ["services without the failsafe", ["--services", "tcp/80"], "INPUT_CUTS_FAILSAFE"],
])("%s is refused with its place, and nothing is done", (_name, words, said) => {
  const refused = setup("--yes", ...words);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(said);
  expect(refused.stderr).toContain(site.policyFile);
  expect(isUntouched()).toBe(true);
});

test("a policy that is there is replaced only where somebody says so, and is kept beside", () => {
  const mine = "networks:\n  front: { mode: nat }\n";
  site.writePolicy(mine);
  const refused = setup("--yes");
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain("--replace");
  expect(policy()).toBe(mine);
  expect(setup("--yes", "--replace", "--no-hooks")).toMatchObject({ status: 0 });
  expect(policy()).not.toBe(mine);
  expect(readFileSync(`${site.policyFile}.before`, "utf8")).toBe(mine);
  expect(existsSync(join(hooks, "qemu.d"))).toBe(false);
});

test("the example of a package, which says nothing, is no policy", () => {
  site.writePolicy(readFileSync(join(import.meta.dirname, "../../system/deb/policy.yaml"), "utf8"));
  expect(site.run(["check"])).toMatchObject({ status: 0 });
  expect(setup("--yes")).toMatchObject({ status: 0 });
});

test("at a terminal it asks, asks again where an answer is wrong, and is confirmed", async () => {
  writeFileSync(join(hooks, "qemu"), script, { mode: 0o755 });
  const { status, shown } = await atTerminal([
    ["Pass rules in their chains", "maybe\n"],
    ["Pass rules in their chains", "print\n"],
    ["Which are they?", "\n"],
    ["Services, as in", "tcp/80\n"],
    ["Services, as in", "tcp/22 tcp/9090\n"],
    ["From where", "198.51.100.0/24\n"],
    ["Install them?", "\n"],
    ["Publish the same by the policy?", "\n"],
    ["Apply it?", "\n"],
    ["Then type:", (shown) => `yes\n${/keep-[0-9]+/.exec(shown)?.[0]}\n`],
  ]);
  expect(status, shown).toBe(0);
  expect(shown).toContain("web1 tcp/80 (publication 198.51.100.1:8080) opens");
  expect(shown).toContain("confirmed");
  expect(policy()).toContain('allow: [tcp/22, tcp/9090], from: ["198.51.100.0/24"]');
  expect(policy()).toContain("integration: print");
  expect(site.run(["publish", "list"]).stdout).toContain("198.51.100.1");
  expect(existsSync(join(hooks, "qemu.d/virtwall"))).toBe(true);
  expect(readFileSync(join(hooks, "qemu"), "utf8")).toBe(script);
});

test.each([
  ["who declines", "no\n", 1],
  ["who leaves", "\u0004", 3],
])("%s has changed nothing", async (_name, answer, wanted) => {
  const all = ["--integration", "off", "--uplinks", "up0", "--services", "all"];
  const { status, shown } = await atTerminal(
    [["Apply it?", answer]],
    [...all, "--no-hooks", "--no-import"],
  );
  expect(status, shown).toBe(wanted);
  expect(isUntouched()).toBe(true);
});

test("who does not confirm is told that it is taken back, and no hook is installed", async () => {
  const all = ["--integration", "off", "--uplinks", "up0", "--services", "all"];
  const { status, shown } = await atTerminal(
    [
      ["Install them?", "yes\n"],
      ["Apply it?", "yes\n"],
      ["Then type:", "yes\nno\n"],
    ],
    [...all, "--no-import"],
  );
  expect(status, shown).toBe(1);
  expect(shown).toContain("taken back");
  expect(existsSync(join(hooks, "qemu.d"))).toBe(false);
  expect(site.run(["confirm"]).status).toBe(0);
});

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { answerQuestions, type Answer } from "../../lab/answer-questions.ts";
import { builtPrograms, buildPrograms, nft, Site } from "./daemon-program.ts";

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

/** Setup at a terminal: each answer is typed once its question is there. */
function atTerminal(answers: readonly Answer[], words: readonly string[] = []) {
  const quoted = [...site.options, "setup", "--hooks-dir", hooks, ...words].map(
    (word) => `'${word}'`,
  );
  const command = `'${process.execPath}' '${join(builtPrograms, "bin/virtwall")}' ${quoted.join(" ")}`;
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { ...process.env, TERM: "dumb" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (shown += text));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const type = (keys: string) => void child.stdin.write(keys);
  return answerQuestions({ shown: () => shown, type, ended }, answers);
}

test("without a terminal it says what it would do, does nothing, and ends with 2", () => {
  const asked = setup("--services", "tcp/22");
  expect(asked.status).toBe(2);
  expect(asked.stdout).toContain("  input:\n    - { allow: [tcp/22] }\n");
  expect(asked.stdout).toContain("this host");
  expect(asked.stderr).toContain("nothing was done: --yes does it");
  expect(setup("--services", "tcp/22,frob").stderr).toContain("nothing was done\n");
  const { reach } = JSON.parse(setup("--services", "tcp/22", "--json").stdout) as object & {
    reach: readonly unknown[];
  };
  expect(reach).not.toEqual([]);
  expect(isUntouched()).toBe(true);
  site.writePolicy("networks: {}\n");
  expect(setup("--services", "tcp/22").stderr).toContain(": --yes --replace does it");
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
  for (const services of [[], ["--services", "all"], ["--services", "none"]]) {
    const refused = setup("--yes", "--from", "198.51.100.0/24", ...services);
    expect(refused).toMatchObject({ status: 2, stdout: "" });
  }
  expect(isUntouched()).toBe(true);
});

test("with --yes it writes a policy that check accepts, applies it and installs the hooks", () => {
  expect(setup("--yes")).toMatchObject({ status: 0 });
  expect(policy()).toContain("integration: auto");
  expect(site.run(["check"])).toMatchObject({ status: 0 });
  expect(nft("list", "tables")).toContain("inet virtwall");
  expect(existsSync(join(hooks, "qemu.d/virtwall"))).toBe(true);
});

test("hooks that cannot be installed are said to be what is missing of it", () => {
  writeFileSync(join(hooks, "qemu.d"), "");
  const ended = setup("--yes");
  expect(ended.status).toBe(3);
  expect(ended.stderr).toContain("the policy is in force, but what follows it is not done:\n");
  expect(ended.stderr).toContain(`cannot write ${hooks}/qemu.d/virtwall: `);
  expect(nft("list", "tables")).toContain("inet virtwall");
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
    ["Which are they?", "nonesuch\n"],
    ["Which are they?", "\n"],
    ["Services, as in", "tcp/80\n"],
    ["Services, as in", "tcp/22 tcp/9090\n"],
    ["From where", "198.51.100.0/24\n"],
    ["Install them?", "perhaps\n"],
    ["Say yes or no", "\n"],
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

test("^C at any question has changed nothing", async () => {
  writeFileSync(join(hooks, "qemu"), script, { mode: 0o755 });
  const questions: readonly Answer[] = [
    ["Pass rules in their chains", "\n"],
    ["Which are they?", "\n"],
    ["Services, as in", "tcp/22\n"],
    ["From where", "\n"],
    ["Install them?", "\n"],
    ["Publish the same by the policy?", "\n"],
    ["Apply it?", "\n"],
  ];
  for (const [index, [question]] of questions.entries()) {
    const answers = [...questions.slice(0, index), [question, "\u0003"] as const];
    const { status, shown } = await atTerminal(answers);
    expect(status, shown).toBe(3);
    expect(shown).toContain("ended by you: nothing was changed");
    expect(isUntouched()).toBe(true);
  }
});

test("an uplink that is not there is kept where it is named twice", async () => {
  const all = ["--integration", "off", "--services", "all", "--no-hooks", "--no-import"];
  const { status, shown } = await atTerminal(
    [
      ["Which are they?", "ppp0\n"],
      ["The same answer once more keeps it", "ppp0\n"],
      ["uplinks: [ppp0]", "no\n"],
    ],
    all,
  );
  expect(status, shown).toBe(1);
});

test("where a change waits for its confirmation it asks nothing", async () => {
  expect(setup("--yes")).toMatchObject({ status: 0 });
  const wanted = join(site.folder, "wanted.yaml");
  writeFileSync(wanted, "networks:\n  front: { mode: nat }\n");
  expect(site.run(["apply", wanted, "--confirm", "600"])).toMatchObject({ status: 0 });
  const { status, shown } = await atTerminal([]);
  expect(status, shown).toBe(3);
  expect(shown).toContain("virtwall confirm, then setup");
  expect(site.run(["confirm"])).toMatchObject({ status: 0 });
});

test("once more with the same answers it has nothing to take back, and goes on", async () => {
  expect(setup("--yes")).toMatchObject({ status: 0 });
  const { status, shown } = await atTerminal(
    [
      ["Write another one?", "yes\n"],
      ["Install them?", "no\n"],
      ["It says this already. Apply it?", "\n"],
    ],
    ["--integration", "auto", "--uplinks", "eth0", "--services", "all", "--no-import"],
  );
  expect(status, shown).toBe(0);
  expect(existsSync(`${site.policyFile}.before`)).toBe(false);
  // The same words in a file that was never in force are a change like any other.
  await site.close();
  site.run(["stop", "--clean"]);
  const anew = await atTerminal(
    [
      ["Write another one?", "yes\n"],
      ["Apply it? It is taken back after", "no\n"],
    ],
    [
      "--integration",
      "auto",
      "--uplinks",
      "eth0",
      "--services",
      "all",
      "--no-import",
      "--no-hooks",
    ],
  );
  expect(anew.status, anew.shown).toBe(1);
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

test.each([
  ["who does not confirm", "yes\nno\n"],
  ["^C at the confirmation", "\u0003"],
])("%s is told that it is taken back, and no hook is installed", async (_name, keys) => {
  const all = ["--integration", "off", "--uplinks", "up0", "--services", "all"];
  const { status, shown } = await atTerminal(
    [
      ["Install them?", "yes\n"],
      ["Apply it?", "yes\n"],
      ["Then type:", keys],
    ],
    [...all, "--no-import"],
  );
  expect(status, shown).toBe(1);
  expect(shown).toContain("taken back");
  expect(existsSync(join(hooks, "qemu.d"))).toBe(false);
  expect(site.run(["confirm"]).status).toBe(0);
});

import {
  chmod,
  chown,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { LocalRulesetFiles } from "../../src/edge/files/integrate-file.ts";
import { NftKernel } from "../../src/edge/nft/kernel.ts";
import { RulesetFileError } from "../../src/ports/ruleset-file.ts";
import { integrateFile, type IntegrationRequest } from "../../src/reconcile/integrate.ts";
import { planPassRules } from "../../src/reconcile/pass-rules.ts";
import { assertPrivateNamespace } from "../world/private-namespace.ts";
import { mustRun } from "../../lab/run-program.ts";
import { rulesetFiles } from "./foreign-rulesets.ts";

const mark = 0x10000000;
const kernel = new NftKernel("a test needs no owner");
const expectedStates: Readonly<Record<keyof typeof rulesetFiles, string>> = {
  debian: "input not needed, forward not needed, output not needed",
  arch: "input added, forward added",
  gentoo: "input added, forward added, output not needed",
  oneLine: "input added, forward added",
  workstation: "input added, forward added, output not needed",
  variables: "in added",
  comments: "forward added",
  reject: "forward added, forward added",
  policyLast: "input added",
  splitChain: "forward added",
  early: "pre before ours, forward_early before ours, forward added",
  bridge: "forward added",
};

let folder: string;
let file: string;

const run = (mode: IntegrationRequest["mode"], path = file) =>
  integrateFile({ file: path, mark, mode }, new LocalRulesetFiles());
const load = () => mustRun(["nft", "-f", file]);
const flush = () => mustRun(["nft", "flush", "ruleset"]);

beforeAll(async () => {
  assertPrivateNamespace();
  folder = await mkdtemp(join(tmpdir(), "virtwall-integrate-"));
  file = join(folder, "nftables.conf");
  await flush();
});
afterAll(async () => {
  await flush();
  await rm(folder, { recursive: true });
});

async function passRulesAreMissing(): Promise<boolean> {
  const foreign = await kernel.readForeign();
  return planPassRules({ foreign, xtables: [], mark, integration: "auto" }).nftScript !== "";
}

/** What diff(1) makes of the file against an earlier text. */
async function diffOf(text: string): Promise<string> {
  const args = ["-u", "--label", file, "--label", file, "-", file];
  return mustRun(["sh", "-c", 'diff "$@" || [ $? = 1 ]', "sh", ...args], { input: text });
}

describe.each(Object.entries(rulesetFiles))("the file in the style of %s", (name, text) => {
  const expected = expectedStates[name as keyof typeof rulesetFiles];
  const isNeeded = expected.includes("added");

  test("is integrated, brings its pass rules when it loads, and is restored byte for byte", async () => {
    await writeFile(file, text);
    await load();
    const before = await mustRun(["nft", "list", "ruleset"]);
    expect(await passRulesAreMissing()).toBe(isNeeded);

    const result = await run("write");
    expect(result.chains.map((chain) => `${chain.chain} ${chain.state}`).join(", ")).toBe(expected);
    expect(result.changed).toBe(isNeeded);
    expect(result.diff).toBe(await diffOf(text));
    await load();
    expect(await passRulesAreMissing()).toBe(false);
    const lines = (await mustRun(["nft", "list", "ruleset"])).split("\n");
    const ours = lines.filter((line) => line.endsWith('accept comment "virtwall"'));
    expect(ours).toHaveLength(expected.split("added").length - 1);

    const again = await run("write");
    expect(again).toMatchObject({ changed: false, diff: "" });

    expect((await run("undo")).changed).toBe(isNeeded);
    expect(await readFile(file, "utf8")).toBe(text);
    expect(await readdir(folder)).toEqual(["nftables.conf"]);
    await load();
    expect(await mustRun(["nft", "list", "ruleset"])).toBe(before);
    await flush();
  });
});

test("a dry run shows the diff and writes nothing", async () => {
  await writeFile(file, rulesetFiles.workstation);
  const { changed, diff, messages } = await run("dry-run");
  expect(changed).toBe(true);
  expect(messages).toEqual([]);
  expect(diff).toContain('\n+meta mark & 0x10000000 == 0x10000000 accept comment "virtwall"\n');
  expect(await readFile(file, "utf8")).toBe(rulesetFiles.workstation);
  expect(await readdir(folder)).toEqual(["nftables.conf"]);
});

test("mode, owner and the bytes of another encoding are kept, through a link too", async () => {
  const bytes = Buffer.from(rulesetFiles.arch.replace("Simple", "Simpl\xe9"), "latin1");
  await writeFile(file, bytes);
  await chmod(file, 0o640);
  await chown(file, 12, 34);
  const link = join(folder, "link.conf");
  await symlink("nftables.conf", link);
  const { backup = "" } = await run("write", link);
  for (const path of [file, backup]) {
    const { mode, uid, gid } = await stat(path);
    expect([mode & 0o7777, uid, gid]).toEqual([0o640, 12, 34]);
  }
  expect(await readFile(backup)).toEqual(bytes);
  await run("undo", link);
  expect(await readFile(file)).toEqual(bytes);
  await rm(link);
  await chown(file, 0, 0);
});

test("an edit after integrating survives the undo", async () => {
  await writeFile(file, rulesetFiles.arch);
  await run("write");
  const edited = (await readFile(file, "utf8")).replace("dport ssh", "dport 2222");
  await writeFile(file, edited);
  expect((await run("undo")).messages).toEqual([
    "the file was edited since: only our lines were removed, and the edits kept",
  ]);
  expect(await readFile(file, "utf8")).toBe(rulesetFiles.arch.replace("dport ssh", "dport 2222"));
  expect(await readdir(folder)).toEqual(["nftables.conf"]);
});

test("a chain added after integrating gets its line, and the backup holds the file without ours", async () => {
  const [, second = ""] = rulesetFiles.reject.split("table ip6");
  const first = rulesetFiles.reject.replace(`table ip6${second}`, "");
  await writeFile(file, first);
  await run("write");
  await writeFile(file, `${await readFile(file, "utf8")}table ip6${second}`);
  const { chains, backup = "" } = await run("write");
  expect(chains.map((chain) => chain.state)).toEqual(["present", "added"]);
  expect(await readFile(backup, "utf8")).toBe(rulesetFiles.reject);
  await run("undo");
  expect(await readFile(file, "utf8")).toBe(rulesetFiles.reject);
});

test("includes are found from the file's folder, and told", async () => {
  await writeFile(join(folder, "ports.nft"), "define PORTS = { 22, 443 }\n");
  await writeFile(
    file,
    `include "./ports.nft"\n${rulesetFiles.workstation.replace("iifname", "tcp dport $PORTS accept\niifname")}`,
  );
  const { changed, messages } = await run("write");
  expect(changed).toBe(true);
  expect(messages).toEqual([
    'include "./ports.nft" is not followed: integrate that file by itself',
  ]);
  await rm(join(folder, "ports.nft"));
  await run("undo");
});

test("a file that creates what is already loaded is taken all the same", async () => {
  await writeFile(
    file,
    rulesetFiles.arch
      .replace("table inet filter\ndelete", "create table inet a\ndelete")
      .replace("delete table inet filter", ""),
  );
  await load();
  expect((await run("write")).changed).toBe(true);
  await flush();
});

test("a file that nft refuses is left as it is", async () => {
  const broken = rulesetFiles.arch.replace("tcp dport ssh", "tcp dprt ssh");
  await writeFile(file, broken);
  const refusal = run("write");
  await expect(refusal).rejects.toThrow(RulesetFileError);
  await expect(refusal).rejects.toThrow(
    /nft refuses .*nftables.conf as it is.*\n.*nftables.conf:18:9/,
  );
  expect(await readFile(file, "utf8")).toBe(broken);
});

test("what is no file is refused", async () => {
  await expect(run("write", join(folder, "missing"))).rejects.toThrow(RulesetFileError);
  await expect(run("write", folder)).rejects.toThrow(/not a plain file/);
});

import { spawnSync } from "node:child_process";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { runCompletion } from "./completion.ts";
import { buildProgram } from "./program.ts";

const silent = { out: () => undefined, err: () => undefined };
const program = buildProgram(silent, () => undefined);

function scriptFor(shell: string): string {
  let text = "";
  runCompletion(program, { out: (part) => (text += part), err: () => undefined }, shell);
  return text;
}

/** What a real bash would offer for each line, whose last word is being typed. */
function offered(lines: readonly (readonly string[])[]): string[][] {
  const asked = lines.map((words) => {
    const typed = ["virtwall", ...words].map((word) => `'${word}'`).join(" ");
    return `COMP_WORDS=(${typed}) COMP_CWORD=${words.length}; _virtwall; echo "\${COMPREPLY[*]}"`;
  });
  const input = `set -u\n${scriptFor("bash")}\n${asked.join("\n")}\n`;
  const { stdout, stderr } = spawnSync("bash", ["--norc"], { input, encoding: "utf8", cwd: "/" });
  expect(stderr).toBe("");
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ").filter((word) => word !== ""));
}

/** As commander itself lists them. */
function walk(command: Command, words: readonly string[] = []): [readonly string[], Command][] {
  const children = command.createHelp().visibleCommands(command);
  const known = children.filter((child) => child.name() !== "help");
  return [[words, command], ...known.flatMap((child) => walk(child, [...words, child.name()]))];
}

test("bash completes every command and every option that help shows", () => {
  const all = walk(program);
  const groups = all.filter(([, command]) => command.commands.length > 0);
  const names = offered(groups.map(([words]) => [...words, ""]));
  expect(names).toEqual(
    groups.map(([words]) =>
      all
        .filter(([others]) => others.length === words.length + 1)
        .filter(([others]) => others.slice(0, -1).join(" ") === words.join(" "))
        .map(([others]) => others.at(-1)),
    ),
  );
  const flags = offered(all.map(([words]) => [...words, "--"]));
  for (const [index, [words, command]] of all.entries()) {
    const visible = command.createHelp().visibleOptions(command);
    const expected = visible.map(({ long }) => long).filter((long) => long !== "--version");
    expect(new Set(flags[index]), words.join(" ")).toEqual(new Set(expected));
  }
});

test.each([
  [
    ["migrate", "--to", ""],
    ["nftables", "iptables"],
  ],
  [["--policy", "check", "publ"], ["publish"]],
  [["check", "--state", "/us"], ["/usr"]],
  [["--policy", "/etc/hostn"], ["/etc/hostname"]],
  [["publish", "add", "web1", "--address", ""], []],
  [
    ["completion", ""],
    ["bash", "zsh", "fish"],
  ],
  [["$(touch x)", "publ"], ["publish"]],
])("bash completes %j", (words, expected) => {
  expect(offered([words])).toEqual([expected]);
});

test.each(["zsh", "fish"])("the script for %s names every command and option", (shell) => {
  const script = scriptFor(shell);
  for (const [words, command] of walk(program)) {
    expect(script).toContain(words.join(" "));
    const visible = command.createHelp().visibleOptions(command);
    for (const { long } of visible.filter((option) => option.long !== "--version")) {
      const flag = long ?? "";
      expect(script).toContain(shell === "fish" ? `-l ${flag.slice(2)} ` : `'${flag}:`);
    }
  }
});

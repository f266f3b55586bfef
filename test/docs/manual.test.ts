import type { Command } from "commander";
import { expect, test } from "vitest";
import { readCommandTree } from "../../src/cli/command-tree.ts";
import { buildProgram } from "../../src/cli/program.ts";
import { printMarkdown } from "../../system/manual/markdown.ts";
import { printCommandPage, printPolicyPage } from "../../system/manual/pages.ts";
import { firstColumnWords, readDocument } from "./documents.ts";

const program = buildProgram({ out: () => undefined, err: () => undefined }, () => undefined);
const sources = {
  version: "1.2.3",
  program: readCommandTree(program),
  commands: readDocument("docs/commands.md"),
  policy: readDocument("docs/policy.md"),
};

/** A page as it is read: without requests, fonts and escapes. */
function read(page: string): string {
  const escapes: Readonly<Record<string, string>> = { "\\-": "-", "\\e": "\\", "\\&": "" };
  const plain = page.replaceAll(/\\f[BIR]/g, "");
  return plain.replaceAll(/\\[-e&]/g, (escape) => escapes[escape] ?? "");
}

/** The part of the page that is under a title. */
function partOf(page: string, title: string): string {
  const parts = page.split(/^\.S[HS] /m);
  const part = parts.find((text) => text.startsWith(`"${title}`));
  if (part === undefined) throw new Error(`the page has nothing under ${title}`);
  return part;
}

function leaves(command: Command, words: readonly string[] = []): [string, Command][] {
  const children = command.commands.map((child) => leaves(child, [...words, child.name()]));
  return children.length > 0 ? children.flat() : [[words.join(" "), command]];
}

test("virtwall(1) has every command with every option of its own, as help shows them", () => {
  const page = read(printCommandPage(sources));
  const global = program.options.map(({ long }) => long);
  for (const [name, command] of leaves(program)) {
    const part = partOf(page, `virtwall ${name}`);
    const own = command.options.filter(({ long, hidden }) => !hidden && !global.includes(long));
    for (const { long } of own) expect(part).toContain(`${long}`);
    for (const { description } of own) expect(part).toContain(description.replaceAll("`", ""));
  }
  const options = partOf(page, "Global options");
  for (const long of global.filter((flag) => flag !== "--version")) expect(options).toContain(long);
});

test("virtwall-policy(5) has every key", () => {
  const page = read(printPolicyPage(sources));
  const keys = firstColumnWords(sources.policy);
  expect(keys.length).toBeGreaterThan(20);
  for (const key of keys) expect(page).toContain(key);
});

test("no line of text is taken for a request, and no backslash for an escape", () => {
  const text = "Two lines\n.so /etc/passwd\n'tis \\fBbold\n\n```\n.de evil\n```\n\n- .one\n";
  expect(printMarkdown(text)).toBe(
    ".PP\nTwo lines\n\\&.so /etc/passwd\n\\&'tis \\efBbold\n" +
      ".PP\n.RS 4\n.nf\n\\&.de evil\n.fi\n.RE\n" +
      ".IP \\(bu 2\n\\&.one\n",
  );
});

test.each([["1. one"], ["> quoted"], ["<br>"], ["#### deep"]])(
  "what has no place in a manual is refused: %s",
  (text) => expect(() => printMarkdown(text)).toThrow(text),
);

import type { CommandNode } from "../../src/cli/command-tree.ts";
import { printMarkdown } from "./markdown.ts";
import { escapeRoff, item, paragraph, printInline, section, subsection } from "./roff.ts";

export interface Sources {
  readonly version: string;
  readonly program: CommandNode;
  /** docs/commands.md and docs/policy.md. */
  readonly commands: string;
  readonly policy: string;
}

/** virtwall(1): the commands as the program knows them, and what docs/commands.md says of them. */
export function printCommandPage({ version, program, commands }: Sources): string {
  const nodes = leavesOf(program);
  // Before the first heading stands a table of what the tree says.
  const details = commands.slice(commands.search(/^## /m));
  return [
    heading("VIRTWALL", 1, version),
    section("NAME", `virtwall \\- the firewall for libvirt/KVM hosts\n`),
    section(
      "SYNOPSIS",
      `.B virtwall\n[\\fIglobal options\\fR] \\fIcommand\\fR [\\fIoptions\\fR]\n`,
    ),
    section(
      "DESCRIPTION",
      paragraph(
        printInline(
          "Compiles a policy and what libvirt says exists into two nftables tables, and keeps the kernel equal to them. " +
            "The policy is described in virtwall-policy(5). Global options stand before or after the name of a command.",
        ),
      ),
    ),
    section("COMMANDS", nodes.map(printCommand).join("")),
    printMarkdown(details),
    section(
      "FILES",
      item(
        "\\fB/etc/virtwall/policy.yaml\\fR, \\fB/etc/virtwall/policy.d/*.yaml\\fR",
        "The policy.",
      ),
      item("\\fB/etc/virtwall/nwfilter/*.xml\\fR", "Network filters of virtwall's own."),
      item("\\fB/var/lib/virtwall\\fR", "The last good policy, and what was in force before."),
      item("\\fB/run/virtwall\\fR", "Sockets of daemon and gate."),
    ),
    section("SEE ALSO", "virtwall\\-policy(5), virsh(1), nft(8), libvirtd(8)\n"),
  ].join("");
}

/** virtwall-policy(5). */
export function printPolicyPage({ version, policy }: Sources): string {
  const text = policy.replace(/^# .*\n/, "");
  return [
    heading("VIRTWALL-POLICY", 5, version),
    section("NAME", "virtwall\\-policy \\- what virtwall admits, and what it publishes\n"),
    section("DESCRIPTION", printMarkdown(text)),
    section("SEE ALSO", "virtwall(1)\n"),
  ].join("");
}

/** Without a date: a page follows from its sources alone. */
function heading(name: string, chapter: number, version: string): string {
  return `.TH ${escapeRoff(name)} ${chapter} "" "virtwall ${version}" "virtwall"\n`;
}

function leavesOf(node: CommandNode): CommandNode[] {
  return node.commands.length === 0 ? [node] : node.commands.flatMap(leavesOf);
}

function printCommand(node: CommandNode): string {
  const { words, usage, description, options } = node;
  const described = node.arguments.filter((argument) => argument.description !== "");
  const line = ["virtwall", ...words, usage].filter((word) => word !== "").join(" ");
  return subsection(
    line,
    paragraph(printInline(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`)),
    ...described.map(({ name, description: meaning }) =>
      item(`\\fI${escapeRoff(name)}\\fR`, printInline(meaning)),
    ),
    ...options.map(({ flags, description: meaning, value }) => {
      const name = value ? ` \\fI${escapeRoff(value.name)}\\fR` : "";
      const terms = flags.map((flag) => `\\fB${escapeRoff(flag)}\\fR${name}`).join(", ");
      const choices = value && value.choices.length > 0 ? `: ${value.choices.join(", ")}` : "";
      return item(terms, printInline(meaning + choices));
    }),
  );
}

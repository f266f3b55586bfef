import type { HostPolicy } from "../model/policy.ts";

/** What the operator wants, as far as `setup` asks. */
export interface SetupAnswers {
  readonly integration: HostPolicy["integration"];
  /** Undefined: those that hold a default route, whichever they are. */
  readonly uplinks?: readonly string[];
  /** What may reach the host itself; undefined: virtwall leaves that alone. */
  readonly services?: readonly string[];
  /** Who may; empty: everybody. */
  readonly from: readonly string[];
  /** The port by which the operator came, where it is not the one that the failsafe has by itself. */
  readonly operatorPort?: number;
  /** A policy that publishes what hook scripts forward so far; empty where there is nothing. */
  readonly imported: string;
}

/** The policy file. Words are as they were typed: whether they can stand there is the parser's to say. */
export function printSetupPolicy(answers: SetupAnswers): string {
  const { integration, uplinks, services, from, operatorPort, imported } = answers;
  const lines = [
    "# Written by `virtwall setup`. virtwall-policy(5) has every key; `virtwall check` tells what is wrong.",
    "host:",
    `  integration: ${integration}`,
    ...(uplinks === undefined ? [] : [`  uplinks: ${printList(uplinks)}`]),
    ...(operatorPort === undefined ? [] : [`  failsafe: ${printList([`tcp/${operatorPort}`])}`]),
  ];
  if (services !== undefined) {
    const who = from.length === 0 ? "" : `, from: ${printList(from)}`;
    const rule = `    - { allow: ${printList(services)}${who} }`;
    lines.push(...(services.length === 0 ? ["  input: []"] : ["  input:", rule]));
  }
  return `${lines.join("\n")}\n${imported === "" ? "" : `\n${imported}`}`;
}

/** Words without spaces and commas, as they are typed into one line. */
export function readWords(line: string): string[] {
  return line.split(/[\s,]+/).filter((word) => word !== "");
}

function printList(words: readonly string[]): string {
  const isPlain = (word: string) => /^[a-z][a-z0-9_./-]*$/i.test(word);
  return `[${words.map((word) => (isPlain(word) ? word : JSON.stringify(word))).join(", ")}]`;
}

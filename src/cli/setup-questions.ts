import { escapeControls } from "../base/quote.ts";
import type { Problem } from "../model/problem.ts";
import type { Collected } from "./collect.ts";
import { UsageError } from "./exit-status.ts";
import { operatorConnection, operatorCuts } from "./operator.ts";
import type { Output } from "./output.ts";
import { printNotCarried } from "./print-not-carried.ts";
import { hasErrors } from "./print-problems.ts";
import type { Settings } from "./settings.ts";
import { printSetupPolicy, readWords, type SetupAnswers } from "./setup-policy.ts";
import { withPolicy, type SetupSite } from "./setup-site.ts";
import type { Terminal } from "./terminal.ts";

/** Answers that the command line gives; what it does not give is asked, or is the usual one. */
export interface SetupOptions {
  readonly integration?: SetupAnswers["integration"];
  readonly uplinks?: string;
  readonly services?: string;
  readonly from?: string;
  readonly hooks?: boolean;
  readonly imports?: boolean;
  /** A policy that is there may be replaced. */
  readonly mayReplace: boolean;
  readonly isYes: boolean;
  readonly hooksFolder?: string;
}

export interface Setup {
  readonly settings: Settings;
  readonly output: Output;
  readonly options: SetupOptions;
  readonly site: SetupSite;
}

export interface Chosen {
  readonly answers: SetupAnswers;
  readonly hooks: boolean;
}

export interface Judged {
  readonly collected: Collected;
  readonly problems: readonly Problem[];
}

/** What is wrong with the text as the policy, what would keep the operator out included. */
export async function judge({ settings, site }: Setup, text: string): Promise<Judged> {
  const collected = await withPolicy(settings, site, text);
  return { collected, problems: [...collected.decision.problems, ...operatorCuts(collected)] };
}

/** What is taken where nobody says otherwise. */
export function usual({ options, site }: Setup): Chosen {
  const port = operatorConnection()?.port;
  return {
    hooks: options.hooks !== false,
    answers: {
      integration: options.integration ?? "auto",
      ...uplinksFrom(options.uplinks ?? site.uplinks.join(" "), site),
      ...servicesFrom(options.services ?? "all"),
      from: fromWords(options.from ?? "everybody"),
      ...(port !== undefined && port !== 22 && { operatorPort: port }),
      imported: options.imports === false ? "" : site.imported,
    },
  };
}

/** Beside all services, or none, it would count for nothing, and nobody would notice. */
export function refuseLooseFrom({ services = "all", from }: SetupOptions): void {
  if (from === undefined || (servicesFrom(services).services ?? []).length > 0) return;
  throw new UsageError("--from says who may reach --services: name them too");
}

function uplinksFrom(line: string, { uplinks }: SetupSite): Pick<SetupAnswers, "uplinks"> {
  const words = readWords(line);
  return words.join(" ") === uplinks.join(" ") ? {} : { uplinks: words };
}

function servicesFrom(line: string): Pick<SetupAnswers, "services"> {
  const words = readWords(line);
  if (words.join() === "all") return {};
  return { services: words.join() === "none" ? [] : words };
}

function fromWords(line: string): readonly string[] {
  const words = readWords(line);
  return words.join() === "everybody" ? [] : words;
}

/**
 * The questions that the command line has not answered, each until its answer can stand in a policy. What is wrong whatever the answers
 * are is known.
 */
export async function askAll(
  setup: Setup,
  terminal: Terminal,
  known: readonly Problem[],
): Promise<Chosen> {
  const { options } = setup;
  const asking = { ...setup, terminal, known: new Set(known.map(({ message }) => message)) };
  let { answers, hooks } = usual(setup);
  if (options.integration === undefined) answers = await askIntegration(asking, answers);
  if (options.uplinks === undefined) answers = await askUplinks(asking, answers);
  if (options.services === undefined) answers = await askServices(asking, answers);
  if (options.hooks === undefined) hooks = await askHooks(asking);
  if (options.imports === undefined) answers = await askImport(asking, answers);
  return { answers, hooks };
}

interface Asking extends Setup {
  readonly terminal: Terminal;
  /** Messages of problems that no question is to tell of: no answer mends them, or it was given all the same. */
  readonly known: Set<string>;
}

interface Question {
  readonly question: string;
  readonly normal: string;
  /** The answers, had this line been typed. */
  readonly read: (line: string) => SetupAnswers;
}

/** What is imported is judged at the end: nobody could mend it here. An answer with a warning stands where it is given twice. */
async function askUntilRight(
  asking: Asking,
  { question, normal, read }: Question,
): Promise<SetupAnswers> {
  const { known, output, terminal } = asking;
  for (let warnedOf: string | undefined; ;) {
    const line = await terminal.ask(`   ${question}`, normal);
    const answers = read(line);
    const { problems } = await judge(asking, printSetupPolicy({ ...answers, imported: "" }));
    const found = problems.filter(({ message }) => !known.has(message));
    if (!hasErrors(found) && (found.length === 0 || line === warnedOf)) {
      for (const { message } of found) known.add(message);
      return answers;
    }
    for (const { message, hint } of found) {
      const advice = hint === undefined ? "" : ` (${hint})`;
      output.out(`   ${escapeControls(`${message}${advice}`)}\n`);
    }
    warnedOf = hasErrors(found) ? undefined : line;
    if (warnedOf !== undefined) output.out("   The same answer once more keeps it.\n");
  }
}

function askIntegration(asking: Asking, answers: SetupAnswers): Promise<SetupAnswers> {
  const found = asking.site.firewalls.map(({ name, state }) => `${name} (${state})`);
  asking.output.out(`\n1. Other firewalls on this host: ${found.join(", ") || "none found"}.\n`);
  return askUntilRight(asking, {
    question: "Pass rules in their chains: auto puts them, print only says them, off?",
    normal: answers.integration,
    // Whatever was typed: the policy's parser knows the words.
    read: (line) => ({ ...answers, integration: line as SetupAnswers["integration"] }),
  });
}

function askUplinks(asking: Asking, answers: SetupAnswers): Promise<SetupAnswers> {
  asking.output.out("\n2. Publications are reached by interfaces that face outside.\n");
  const { uplinks: _usual, ...others } = answers;
  return askUntilRight(asking, {
    question: "Which are they?",
    normal: asking.site.uplinks.join(" "),
    read: (line) => ({ ...others, ...uplinksFrom(line, asking.site) }),
  });
}

async function askServices(asking: Asking, answers: SetupAnswers): Promise<SetupAnswers> {
  const about = "What may reach this host itself? `all` leaves that to whatever judges it now";
  asking.output.out(`\n3. ${about}.\n`);
  const chosen = await askUntilRight(asking, {
    question: "Services, as in `tcp/22 tcp/9090 icmp`, all or none:",
    normal: "all",
    read: (line) => ({ ...answers, ...servicesFrom(line) }),
  });
  if (chosen.services === undefined || chosen.services.length === 0) return chosen;
  return askUntilRight(asking, {
    question: "From where: prefixes, or everybody:",
    normal: "everybody",
    read: (line) => ({ ...chosen, from: fromWords(line) }),
  });
}

function askHooks({ terminal, output }: Asking): Promise<boolean> {
  const about = "With hooks, libvirt waits until a guest's rules stand before it starts the guest";
  output.out(`\n4. ${about}.\n`);
  return isYes(terminal, "   Install them?", "yes");
}

async function askImport(
  { output, site, terminal }: Asking,
  answers: SetupAnswers,
): Promise<SetupAnswers> {
  const networks = site.networks.map(escapeControls).join(", ") || "none";
  output.out(
    `\n5. Networks of libvirt's: ${networks}. They stay libvirt's, and their guests are judged here too;\n` +
      "   `virtwall adopt NETWORK` makes one virtwall's own.\n",
  );
  output.out(printNotCarried(site.notCarried));
  if (site.imported === "") return answers;
  output.out(
    `   Hook scripts publish ports: ${site.hookFiles.map(escapeControls).join(", ")}\n` +
      "   What the policy does not publish is closed to the world.\n",
  );
  const isTaken = await isYes(terminal, "   Publish the same by the policy?", "yes");
  return { ...answers, imported: isTaken ? site.imported : "" };
}

export async function isYes(
  terminal: Terminal,
  question: string,
  normal: string,
): Promise<boolean> {
  for (let asked = question; ;) {
    const answer = await terminal.ask(asked, normal);
    if (/^y(es)?$/i.test(answer)) return true;
    if (/^no?$/i.test(answer)) return false;
    asked = "   Say yes or no:";
  }
}

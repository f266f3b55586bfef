import { escapeControls } from "../base/quote.ts";
import { hasUnit, systemctl } from "../edge/host/systemctl.ts";
import { defaultHooksFolder } from "../edge/hooks/hook-files.ts";
import type { OperatorTexts } from "../edge/files/policy-history.ts";
import type { Problem } from "../model/problem.ts";
import { defaultDaemonSocket } from "../wire/daemon-protocol.ts";
import { runApply } from "./apply.ts";
import type { Collected } from "./collect.ts";
import { runConfirm } from "./confirm.ts";
import { printReach, reachFrom, reachInForce } from "./diff-reach.ts";
import { ComplaintError, exitStatus, type ExitStatus } from "./exit-status.ts";
import { runHook } from "./hook.ts";
import { operatorCuts, operatorPort } from "./operator.ts";
import { printJson, type Output } from "./output.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { printSetupPolicy, readWords, type SetupAnswers } from "./setup-policy.ts";
import { readSetupSite, withPolicy, type SetupSite } from "./setup-site.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

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

interface Chosen {
  readonly answers: SetupAnswers;
  readonly hooks: boolean;
}

const confirmSeconds = 60;
const nothing: OperatorTexts = { policy: [], ownFilters: [] };

/** From nothing to a policy that is in force. Exit status 2 where there is nobody to ask and nobody said yes: nothing was done. */
export async function runSetup(
  settings: Settings,
  output: Output,
  options: SetupOptions,
): Promise<ExitStatus> {
  demandRoot("setup");
  const site = await readSetupSite(settings, options.hooksFolder ?? defaultHooksFolder);
  const terminal = options.isYes ? undefined : openTerminal();
  const setup = { settings, output, options, site };
  if (terminal === undefined) return setUpUnasked(setup);
  try {
    return await setUpAsking(setup, terminal);
  } finally {
    terminal.close();
  }
}

interface Setup {
  readonly settings: Settings;
  readonly output: Output;
  readonly options: SetupOptions;
  readonly site: SetupSite;
}

async function setUpUnasked(setup: Setup): Promise<ExitStatus> {
  const { settings, output, options, site } = setup;
  const chosen = usual(setup);
  const text = printSetupPolicy(chosen.answers);
  const judged = await judge(setup, text);
  if (!options.isYes) {
    if (settings.json) printJson(output, { policy: text, problems: judged.problems });
    else output.out(`${text}\n${await printOutlook(setup, judged)}`);
    output.err("virtwall: nobody to ask, so nothing was done: --yes does it\n");
    return exitStatus.usage;
  }
  if (site.present && !options.mayReplace) throw isThere(settings);
  if (hasErrors(judged.problems)) {
    if (settings.json) printJson(output, { problems: judged.problems });
    else
      output.err(`${printProblems(judged.problems, judged.collected.texts)}nothing was changed\n`);
    return exitStatus.problems;
  }
  const status = await runApply(settings, output, { text });
  if (status !== exitStatus.ok) return status;
  return settle(setup, chosen, settings.json ? silentOut(output) : output);
}

/** One document is on standard output already. */
function silentOut(output: Output): Output {
  return { out: (text) => output.err(text), err: (text) => output.err(text) };
}

function isThere({ policyFile }: Settings): ComplaintError {
  return new ComplaintError(
    `${policyFile} says something already: --replace writes another, and keeps this one beside it`,
  );
}

async function setUpAsking(setup: Setup, terminal: Terminal): Promise<ExitStatus> {
  const { settings, output, options, site } = setup;
  if (site.present && !options.mayReplace) {
    output.out(
      `${settings.policyFile} says something already. It would be kept beside the new one.\n`,
    );
    if (!(await isYes(terminal, "Write another one?", "no"))) return declined(output);
  }
  const chosen = await askAll(setup, terminal);
  const text = printSetupPolicy(chosen.answers);
  output.out(`\n${settings.policyFile} will say:\n\n${text}\n`);
  const judged = await judge(setup, text);
  output.out(await printOutlook(setup, judged));
  if (hasErrors(judged.problems)) return exitStatus.problems;
  const question = `Apply it? It is taken back after ${confirmSeconds} s unless you confirm.`;
  if (!(await isYes(terminal, question, "yes"))) return declined(output);
  const status = await runApply(settings, output, { text, confirmSeconds });
  if (status !== exitStatus.ok) return status;
  const still = "Can you still reach this host, from a new connection too? yes keeps it:";
  if ((await terminal.askWithin(still, confirmSeconds)) !== "yes") {
    output.out(`\nnot confirmed: it is taken back when its ${confirmSeconds} s are over\n`);
    return exitStatus.problems;
  }
  const confirmed = await runConfirm(settings, output);
  return confirmed === exitStatus.ok ? settle(setup, chosen, output) : confirmed;
}

function declined(output: Output): ExitStatus {
  output.out("nothing was changed\n");
  return exitStatus.problems;
}

async function isYes(terminal: Terminal, question: string, normal: string): Promise<boolean> {
  return /^y(es)?$/i.test(await terminal.ask(question, normal));
}

/** What is wrong with the text as the policy, what would keep the operator out included. */
async function judge(
  { settings, site }: Setup,
  text: string,
): Promise<{ readonly collected: Collected; readonly problems: readonly Problem[] }> {
  const collected = await withPolicy(settings, site, text);
  return { collected, problems: [...collected.decision.problems, ...operatorCuts(collected)] };
}

type Judged = Awaited<ReturnType<typeof judge>>;

/** Where nothing was in force, it is held against a policy that says nothing. */
async function printOutlook({ settings }: Setup, { collected, problems }: Judged): Promise<string> {
  if (hasErrors(problems)) {
    return `${printProblems(problems, collected.texts)}${verdictOf(problems)}\n`;
  }
  const reach = (await reachInForce(settings, collected)) ?? reachFrom(nothing, collected);
  const lines = reach === undefined ? "" : printReach(reach);
  const said = lines === "" ? "nothing opens or closes\n" : `What opens and closes:\n${lines}`;
  return `${printProblems(problems, collected.texts)}${said}`;
}

/** What is taken where nobody says otherwise. */
function usual({ options, site }: Setup): Chosen {
  const port = operatorPort();
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

/** The questions that the command line has not answered, each until its answer can stand in a policy. */
async function askAll(setup: Setup, terminal: Terminal): Promise<Chosen> {
  const { output, options, site } = setup;
  let { answers, hooks } = usual(setup);
  const untilRight = async (question: string, normal: string, read: (line: string) => object) => {
    for (;;) {
      const candidate = { ...answers, ...read(await terminal.ask(question, normal)) };
      const { problems } = await judge(setup, printSetupPolicy({ ...candidate, imported: "" }));
      const wrong = problems.filter(({ severity }) => severity === "error");
      if (wrong.length === 0) return candidate;
      for (const { message, hint } of wrong) {
        output.out(`  ${escapeControls(message)}${hint === undefined ? "" : ` (${hint})`}\n`);
      }
    }
  };
  if (options.integration === undefined) {
    const names = site.firewalls.map(({ name, state }) => `${name} (${state})`).join(", ");
    output.out(`\n1. Other firewalls on this host: ${names || "none found"}.\n`);
    const question = "   Pass rules in their chains: auto puts them, print only says them, off?";
    answers = await untilRight(question, "auto", (integration) => ({ integration }));
  }
  if (options.uplinks === undefined) {
    output.out("\n2. Publications are reached by interfaces that face outside.\n");
    const question = "   Which are they?";
    const { uplinks: _former, ...others } = answers;
    answers = others;
    answers = await untilRight(question, site.uplinks.join(" "), (line) => uplinksFrom(line, site));
  }
  if (options.services === undefined) {
    output.out(
      "\n3. What may reach this host itself? `all` leaves that to whatever judges it now.\n",
    );
    const question = "   Services, as in `tcp/22 tcp/9090 icmp`, or all:";
    const line = await untilRight(question, "all", servicesFrom);
    answers = line;
    if (answers.services !== undefined && options.from === undefined) {
      const who = "   From where: prefixes, or everybody:";
      answers = await untilRight(who, "everybody", (words) => ({ from: fromWords(words) }));
    }
  }
  if (options.hooks === undefined) {
    output.out(
      "\n4. With hooks, libvirt waits until a guest's rules stand before it starts the guest.\n",
    );
    hooks = await isYes(terminal, "   Install them?", "yes");
  }
  if (options.imports === undefined) answers = await askImport(setup, terminal, answers);
  return { answers, hooks };
}

async function askImport(
  { output, site }: Setup,
  terminal: Terminal,
  answers: SetupAnswers,
): Promise<SetupAnswers> {
  output.out(
    `\n5. Networks of libvirt's: ${site.networks.join(", ") || "none"}. They stay libvirt's, and their guests are judged here too;\n` +
      "   `virtwall adopt NETWORK` makes one virtwall's own.\n",
  );
  for (const { at, what, reason } of site.notCarried) {
    output.out(
      `   not carried over: ${escapeControls(`${at.file}:${at.line}: ${what}: ${reason}`)}\n`,
    );
  }
  if (site.imported === "") return answers;
  output.out(`   Hook scripts publish ports: ${site.hookFiles.map(escapeControls).join(", ")}\n`);
  const isTaken = await isYes(terminal, "   Publish the same by the policy?", "yes");
  return { ...answers, imported: isTaken ? site.imported : "" };
}

const units = ["virtwall-gate.service", "virtwall-early.service", "virtwall.service"];

/** What follows once the policy is to stay. */
async function settle(
  { settings, options: { hooksFolder } }: Setup,
  { hooks }: Chosen,
  output: Output,
): Promise<ExitStatus> {
  if (hooks) {
    const where = hooksFolder === undefined ? {} : { hooksFolder };
    await runHook({ ...settings, json: false }, output, { verb: "install", ...where });
  }
  // The units have no other paths than the usual ones, and follow libvirt itself.
  const { daemonSocket, isPolicyNamed, inventoryFolder } = settings;
  const isUsual =
    daemonSocket === defaultDaemonSocket && !isPolicyNamed && inventoryFolder === undefined;
  if (isUsual && (await hasUnit("virtwall.service"))) {
    await systemctl(["enable", "--now", ...units]);
    output.out("virtwall runs, and starts with the machine: virtwall status\n");
  } else {
    output.out("nothing follows guests yet: start `virtwall daemon`, see docs/install.md\n");
  }
  return exitStatus.ok;
}

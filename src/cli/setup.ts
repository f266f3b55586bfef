import { defaultConnectUri, defaultStateFolder } from "../edge/files/default-paths.ts";
import { hasUnit, systemctl } from "../edge/host/systemctl.ts";
import { defaultHooksFolder } from "../edge/hooks/hook-files.ts";
import { keyOf, type OperatorTexts } from "../edge/files/policy-history.ts";
import { Unconfirmed } from "../edge/files/unconfirmed.ts";
import { defaultDaemonSocket } from "../wire/daemon-protocol.ts";
import { runApply } from "./apply.ts";
import type { Collected } from "./collect.ts";
import { runConfirm } from "./confirm.ts";
import { printReach, reachFrom, reachInForce } from "./diff-reach.ts";
import { ComplaintError, exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { runHook } from "./hook.ts";
import { readOperatorTexts, readTextsInForce } from "./operator-texts.ts";
import { printJson, type Output } from "./output.ts";
import { printNotCarried } from "./print-not-carried.ts";
import { hasErrors, printProblems, verdictOf } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { printSetupPolicy } from "./setup-policy.ts";
import {
  askAll,
  isYes,
  judge,
  refuseLooseFrom,
  usual,
  type Chosen,
  type Judged,
  type Setup,
  type SetupOptions,
} from "./setup-questions.ts";
import { readSetupSite } from "./setup-site.ts";
import { toTheEnd } from "./stoppable.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

const confirmSeconds = 60;
const nothing: OperatorTexts = { policy: [], ownFilters: [] };

/** From nothing to a policy that is in force. Exit status 2 where there is nobody to ask and nobody said yes: nothing was done. */
export async function runSetup(
  settings: Settings,
  output: Output,
  options: SetupOptions,
): Promise<ExitStatus> {
  demandRoot("setup");
  refuseLooseFrom(options);
  if (new Unconfirmed(settings.stateFolder).isThere()) {
    throw new RefusedError("a change waits for its confirmation: virtwall confirm, then setup");
  }
  const site = await readSetupSite(settings, options.hooksFolder ?? defaultHooksFolder);
  // JSON is for programs, which answer no questions.
  const terminal = options.isYes || settings.json ? undefined : openTerminal();
  const setup = { settings, output, options, site };
  if (terminal === undefined) return setUpUnasked(setup);
  try {
    return await setUpAsking(setup, terminal);
  } finally {
    terminal.close();
  }
}

async function setUpUnasked(setup: Setup): Promise<ExitStatus> {
  const { settings, output, options, site } = setup;
  const chosen = usual(setup);
  output.err(printNotCarried(site.notCarried));
  const text = printSetupPolicy(chosen.answers);
  const judged = await judge(setup, text);
  if (!options.isYes) {
    await printUnasked(setup, judged, text);
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

async function printUnasked(setup: Setup, judged: Judged, text: string): Promise<void> {
  const { settings, output, options, site } = setup;
  const isWrong = hasErrors(judged.problems);
  if (settings.json) {
    const reach = isWrong ? undefined : await outlook(settings, judged.collected);
    printJson(output, { policy: text, problems: judged.problems, ...(reach && { reach }) });
  } else output.out(`${text}\n${await printOutlook(setup, judged)}`);
  const words = site.present && !options.mayReplace ? "--yes --replace" : "--yes";
  const advice = isWrong ? "" : `: ${words} does it`;
  output.err(`virtwall: nobody to ask, so nothing was done${advice}\n`);
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
  // What is wrong elsewhere no answer mends.
  const first = await judge(setup, printSetupPolicy({ ...usual(setup).answers, imported: "" }));
  if (hasErrors(first.problems)) {
    output.out(`${await printOutlook(setup, first)}nothing was changed\n`);
    return exitStatus.problems;
  }
  const chosen = await askAll(setup, terminal, first.problems);
  const text = printSetupPolicy(chosen.answers);
  output.out(`\n${settings.policyFile} will say:\n\n${text}\n`);
  const judged = await judge(setup, text);
  output.out(await printOutlook(setup, judged));
  if (hasErrors(judged.problems)) return exitStatus.problems;
  const isSame = site.present?.text === text && (await isInForce(settings));
  const takenBack = `It is taken back after ${confirmSeconds} s unless you confirm.`;
  const question = isSame ? "It says this already. Apply it?" : `Apply it? ${takenBack}`;
  if (!(await isYes(terminal, question, "yes"))) return declined(output);
  const status = isSame
    ? await runApply(settings, output, {})
    : await applyUntilConfirmed(setup, terminal, text);
  // From here on ^C is a signal again.
  terminal.close();
  return status === exitStatus.ok ? settle(setup, chosen, output) : status;
}

/** Whether what is written is what came into force last. */
async function isInForce(settings: Settings): Promise<boolean> {
  const inForce = await readTextsInForce(settings);
  return inForce !== undefined && keyOf(inForce) === keyOf(await readOperatorTexts(settings));
}

async function applyUntilConfirmed(
  { settings, output }: Setup,
  terminal: Terminal,
  text: string,
): Promise<ExitStatus> {
  const status = await runApply(settings, output, { text, confirmSeconds });
  if (status !== exitStatus.ok) return status;
  const still = "Can you still reach this host, from a new connection too? Then type:";
  if (await terminal.isConfirmedWithin(still, confirmSeconds)) return runConfirm(settings, output);
  output.out(`\nnot confirmed: it is taken back when its ${confirmSeconds} s are over\n`);
  return exitStatus.problems;
}

function declined(output: Output): ExitStatus {
  output.out("nothing was changed\n");
  return exitStatus.problems;
}

async function printOutlook({ settings }: Setup, { collected, problems }: Judged): Promise<string> {
  if (hasErrors(problems)) {
    return `${printProblems(problems, collected.texts)}${verdictOf(problems)}\n`;
  }
  const reach = await outlook(settings, collected);
  const lines = reach === undefined ? "" : printReach(reach);
  const said = lines === "" ? "nothing opens or closes\n" : `What opens and closes:\n${lines}`;
  return `${printProblems(problems, collected.texts)}${said}`;
}

/** Where nothing was in force, it is held against a policy that says nothing. */
async function outlook(settings: Settings, collected: Collected) {
  return (await reachInForce(settings, collected)) ?? reachFrom(nothing, collected);
}

const units = ["virtwall-gate.service", "virtwall-early.service", "virtwall.service"];

/** What follows once the policy is to stay. */
function settle(setup: Setup, chosen: Chosen, output: Output): Promise<ExitStatus> {
  return toTheEnd(output, async () => {
    try {
      return await settleAll(setup, chosen, output);
    } catch (error) {
      output.err("the policy is in force, but what follows it is not done:\n");
      throw error;
    }
  });
}

async function settleAll(
  { settings, options: { hooksFolder } }: Setup,
  { hooks }: Chosen,
  output: Output,
): Promise<ExitStatus> {
  if (hooks) {
    const where = hooksFolder === undefined ? {} : { hooksFolder };
    await runHook({ ...settings, json: false }, output, { verb: "install", ...where });
  }
  // The units have no other paths than the usual ones, and follow libvirt itself.
  const { connectUri, daemonSocket, isPolicyNamed, inventoryFolder, stateFolder } = settings;
  const isUsual =
    connectUri === defaultConnectUri &&
    daemonSocket === defaultDaemonSocket &&
    stateFolder === defaultStateFolder &&
    !isPolicyNamed &&
    inventoryFolder === undefined;
  if (isUsual && (await hasUnit("virtwall.service"))) {
    await systemctl(["enable", "--now", ...units]);
    output.out("virtwall runs, and starts with the machine: virtwall status\n");
  } else {
    output.out("nothing follows guests yet: start `virtwall daemon`, see docs/install.md\n");
  }
  return exitStatus.ok;
}

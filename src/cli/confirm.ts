import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { putBack } from "../edge/files/put-back.ts";
import type { OperatorTexts } from "../edge/files/policy-history.ts";
import { Unconfirmed, type UnconfirmedChange } from "../edge/files/unconfirmed.ts";
import { StartError, startLasting } from "../edge/host/start-lasting.ts";
import { applyNow } from "./apply-now.ts";
import { exitStatus, RefusedError, UsageError, type ExitStatus } from "./exit-status.ts";
import { historyOf, readOperatorTexts } from "./operator-texts.ts";
import { printJson, type Output } from "./output.ts";
import { verdictOf } from "./print-problems.ts";
import { demandRoot, type Settings } from "./settings.ts";
import { cleanRules } from "./stop.ts";

/** A day: who needs longer has confirmed. */
const longestSeconds = 86_400;
const lookEveryMs = 500;
const againAfterMs = 5_000;

export function readSeconds(word: string): number {
  const seconds = /^[1-9][0-9]{0,5}$/.test(word) ? Number(word) : Infinity;
  if (seconds <= longestSeconds) return seconds;
  throw new UsageError(`--confirm ${word}: seconds, 1 to ${longestSeconds}`);
}

/** A change for which somebody waits. */
export interface WaitedFor {
  /** Nobody takes it back any more. */
  callOff(): Promise<void>;
  /** It is in force now, or part of it. If its time was over before that, it is taken back once more; answers whether. */
  takeBackLate(output: Output): Promise<boolean>;
}

/** Somebody waits from now on, and takes back what comes unless it is confirmed. */
export async function beginUnconfirmed(
  settings: Settings,
  described: Omit<UnconfirmedChange, "id">,
): Promise<WaitedFor> {
  const unconfirmed = new Unconfirmed(settings.stateFolder);
  const claim = unconfirmed.isThere() ? undefined : await unconfirmed.claim();
  if (claim === undefined) {
    throw new RefusedError("a change waits for its confirmation: virtwall confirm");
  }
  const change = { id: randomUUID(), ...described };
  const callOff = async (): Promise<void> => void (await unconfirmed.confirm());
  const end = performance.now() + change.seconds * 1000;
  try {
    await unconfirmed.save(change);
    const program = [process.execPath, process.argv[1] ?? ""];
    const words = ["rollback", "--unless-confirmed", ...wordsOf(settings)];
    await startLasting([...program, ...words], claim.descriptor);
  } catch (error) {
    await callOff();
    if (!(error instanceof StartError)) throw error;
    throw new RefusedError(`nobody waits for confirmation: ${error.message}`);
  } finally {
    claim.letGo();
  }
  return {
    callOff,
    takeBackLate: async (output) => {
      // Earlier, it was confirmed.
      const isOver = performance.now() >= end && (await unconfirmed.load())?.id !== change.id;
      const tell = (why: string) => output.err(`virtwall: not taken back yet: ${why}\n`);
      if (isOver) await untilDone(() => takeBack(settings, change), tell);
      return isOver;
    },
  };
}

export async function runConfirm(settings: Settings, output: Output): Promise<ExitStatus> {
  demandRoot("confirm");
  const isConfirmed = await new Unconfirmed(settings.stateFolder).confirm();
  if (settings.json) printJson(output, { isConfirmed });
  else if (isConfirmed) output.out("confirmed: it stays in force\n");
  else
    output.err("virtwall: nothing waits for a confirmation, or it is being taken back already\n");
  return isConfirmed ? exitStatus.ok : exitStatus.problems;
}

/**
 * Waits, in a process of its own that was given the claim, for the confirmation or for its time to pass. Time does not pass while the
 * machine sleeps.
 */
export async function runUnlessConfirmed(settings: Settings, output: Output): Promise<ExitStatus> {
  const unconfirmed = new Unconfirmed(settings.stateFolder);
  const change = await unconfirmed.load();
  if (change === undefined) throw new RefusedError("it is confirmed or taken back already");
  const end = performance.now() + change.seconds * 1000;
  // Who started this reads one word and goes, or is gone already: that ends nobody who waits.
  process.stdout.removeAllListeners("error").on("error", () => undefined);
  output.out("waiting\n");
  while (performance.now() < end) {
    await sleep(Math.min(lookEveryMs, Math.max(0, end - performance.now())));
    if ((await untilDone(() => unconfirmed.load()))?.id !== change.id) return exitStatus.ok;
  }
  if ((await untilDone(() => unconfirmed.take(change.id))) === undefined) return exitStatus.ok;
  await untilDone(async () => {
    if (unconfirmed.isThere()) await takeBack(settings, change);
  });
  await untilDone(() => unconfirmed.finish());
  return exitStatus.ok;
}

/** Nobody else would take it back: whatever is wrong, it is tried again, and told once. */
async function untilDone<Result>(
  action: () => Promise<Result>,
  tell: (why: string) => void = () => undefined,
): Promise<Result> {
  for (let told: string | undefined; ;) {
    try {
      return await action();
    } catch (error) {
      const { message } = error as Error;
      if (message !== told) tell(message);
      told = message;
      await sleep(againAfterMs);
    }
  }
}

async function takeBack(settings: Settings, { before, seconds }: UnconfirmedChange): Promise<void> {
  const nothing: OperatorTexts = { policy: [], ownFilters: [] };
  const texts = before ?? nothing;
  await historyOf(settings).announce(texts, { by: `virtwall: not confirmed within ${seconds} s` });
  await putBack(texts, await readOperatorTexts(settings));
  if (before === undefined) {
    await cleanRules(settings);
    return;
  }
  const { result } = await applyNow({ ...settings, isPolicyNamed: false });
  if (result.state !== "refused") return;
  throw new RefusedError(`what was in force has ${verdictOf(result.problems)} by now`);
}

function wordsOf(settings: Settings): string[] {
  const { policyFile, stateFolder, daemonSocket, connectUri, inventoryFolder } = settings;
  return [
    "--policy",
    resolve(policyFile),
    "--state",
    resolve(stateFolder),
    "--socket",
    resolve(daemonSocket),
    "--connect",
    connectUri,
    ...(inventoryFolder === undefined ? [] : ["--inventory", resolve(inventoryFolder)]),
  ];
}

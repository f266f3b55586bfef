import { nearest } from "../base/nearest.ts";
import type { Examination } from "../doctor/examination.ts";
import { examinations } from "../doctor/examinations.ts";
import { examine, type Examined } from "../doctor/examine.ts";
import type { FactName, Facts, Looked, LookedFacts } from "../doctor/facts.ts";
import { mend } from "../doctor/mend.ts";
import { BridgeLinks } from "../edge/host/bridge-links.ts";
import { ThisHost } from "../edge/host/host-examiner.ts";
import { ThisHostMender } from "../edge/host/host-mender.ts";
import { askDaemon, DaemonError } from "../edge/socket/daemon-client.ts";
import { HookFileError } from "../edge/hooks/hook-files.ts";
import { FirewalldError } from "../ports/firewalld.ts";
import type { HostExaminer } from "../ports/host-facts.ts";
import { KernelError } from "../ports/kernel.ts";
import { LinkError } from "../ports/links.ts";
import { SourceError } from "../ports/sources.ts";
import { XtablesError } from "../ports/xtables.ts";
import { decide } from "../reconcile/decide.ts";
import { collect } from "./collect.ts";
import { knownNic, legacyDoubt, readGround } from "./ground.ts";
import { exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { hookPathsOf } from "./hook.ts";
import { printJson, type Output } from "./output.ts";
import { printExamined } from "./print-examined.ts";
import { demandRoot, type Settings } from "./settings.ts";

export interface DoctorOptions {
  /** Empty: all. */
  readonly ids: readonly string[];
  readonly isFix: boolean;
}

/** Exit status 0 only where everything that was asked was looked at, or does not apply here, and nothing was found. */
export async function runDoctor(
  settings: Settings,
  output: Output,
  { ids, isFix }: DoctorOptions,
): Promise<ExitStatus> {
  const chosen = choose(ids);
  demandRoot("doctor");
  const before = await examineHost(chosen, settings, output);
  const mended = isFix
    ? await mend(before.findings, new ThisHostMender(hookPathsOf(settings)), reasonOf)
    : [];
  const after = mended.length === 0 ? before : await examineHost(chosen, settings, output);
  if (settings.json) printJson(output, { ...describe(after), mended });
  else output.out(printExamined(after, mended));
  if (after.findings.length > 0) return exitStatus.problems;
  return after.skipped.some(({ isRefused }) => isRefused) ? exitStatus.refused : exitStatus.ok;
}

function choose(ids: readonly string[]): readonly Examination[] {
  const known = examinations.map(({ id }) => id);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    const meant = nearest(unknown, known);
    const hint = meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`;
    throw new UsageError(`doctor knows no ${unknown}; ${hint}`);
  }
  return ids.length === 0 ? examinations : examinations.filter(({ id }) => ids.includes(id));
}

function describe({ findings, skipped, sound }: Examined) {
  return {
    findings: findings.map(({ fix, ...finding }) => ({
      ...finding,
      fix: { text: fix.text, isSafe: fix.steps !== undefined },
    })),
    skipped,
    sound,
  };
}

async function examineHost(
  chosen: readonly Examination[],
  settings: Settings,
  output: Output,
): Promise<Examined> {
  const names = [...new Set(chosen.flatMap(({ needs }) => needs))];
  const host = new ThisHost({ hooks: hookPathsOf(settings), files: [settings.policyFile] });
  const pending = new Set<FactName>(names);
  const timer = setInterval(() => {
    output.err(`virtwall: still looking at ${[...pending].join(", ")}\n`);
  }, patienceMs);
  try {
    const written = lookAtWritten(settings, names);
    const looks = names.map(async (name): Promise<[FactName, Looked<unknown>]> => {
      const look = await lookAt(name, { host, written, daemonSocket: settings.daemonSocket });
      pending.delete(name);
      return [name, look];
    });
    return examine(chosen, Object.fromEntries(await Promise.all(looks)) as LookedFacts);
  } finally {
    clearInterval(timer);
  }
}

const patienceMs = 3_000;

type Written = Looked<Pick<Facts, "problems"> & Partial<Pick<Facts, "desired">>>;

interface Sight {
  readonly host: HostExaminer;
  readonly written: Promise<Written>;
  readonly daemonSocket: string;
}

async function lookAt(
  name: FactName,
  { host, written, daemonSocket }: Sight,
): Promise<Looked<unknown>> {
  if (name === "ownership") return askOwnership(daemonSocket);
  if (name === "ground") return lookAtGround(written);
  if (name !== "desired" && name !== "problems") return attempt(() => host.look(name));
  const look = await written;
  if ("reason" in look) return look;
  if (name === "problems") return { seen: look.seen.problems };
  const { desired } = look.seen;
  return desired === undefined
    ? { reason: "the policy has errors: virtwall check" }
    : { seen: desired };
}

async function askOwnership(socket: string): Promise<Looked<Facts["ownership"]>> {
  const reply = await attempt(() => askDaemon(socket, { request: "status" }));
  if ("reason" in reply) return reply;
  if (reply.seen?.kind !== "status") return { seen: undefined };
  const { protection } = reply.seen.status;
  if (protection.mode === "owner" || protection.mode === "restore") return { seen: protection };
  return { reason: protection.reason };
}

async function lookAtGround(written: Promise<Written>): Promise<Looked<Facts["ground"]>> {
  const look = await written;
  const nics = "seen" in look ? (look.seen.desired?.compiled.intent.nics ?? []) : [];
  const ground = await attempt(() => readGround(nics.map(knownNic)));
  if ("reason" in ground || ground.seen.unlisted.length === 0) return ground;
  return { reason: legacyDoubt(ground.seen.unlisted) };
}

/** Of this host's own bridges, whatever the inventory stands for. */
async function lookAtWritten(settings: Settings, names: readonly FactName[]): Promise<Written> {
  if (!names.includes("desired") && !names.includes("problems")) return { reason: "not asked" };
  return attempt(async () => {
    const { written } = await collect(settings);
    const { inventory } = written;
    const bridges = await new BridgeLinks().bridges();
    const here = { ...inventory, host: { ...inventory.host, bridges } };
    return decide({ ...written, inventory: here }, undefined);
  });
}

async function attempt<T>(look: () => Promise<T>): Promise<Looked<T>> {
  try {
    return { seen: await look() };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

const refusals = [
  DaemonError,
  FirewalldError,
  HookFileError,
  KernelError,
  LinkError,
  SourceError,
  XtablesError,
] as const;

/** What the machine refuses, in its words; a bug of ours is thrown on. */
function reasonOf(error: unknown): string {
  const refusal = refusals.find((each) => error instanceof each);
  if (refusal === undefined) throw error;
  const { message, missing } = error as Error & { readonly missing?: string };
  return missing === undefined ? message : `${message}: apt install ${missing}`;
}

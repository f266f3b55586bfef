import type { Examination } from "../doctor/examination.ts";
import { examine, type Examined } from "../doctor/examine.ts";
import type { FactName, Facts, Looked, LookedFacts } from "../doctor/facts.ts";
import { BridgeLinks } from "../edge/host/bridge-links.ts";
import { ThisHost } from "../edge/host/host-examiner.ts";
import { askNeighbours } from "../edge/host/ask-neighbours.ts";
import { askParts, DaemonError } from "../edge/socket/daemon-client.ts";
import { HookFileError } from "../edge/hooks/hook-files.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import { FirewalldError } from "../ports/firewalld.ts";
import type { HostExaminer } from "../ports/host-facts.ts";
import { KernelError } from "../ports/kernel.ts";
import { LinkError } from "../ports/links.ts";
import { SourceError } from "../ports/sources.ts";
import { XtablesError } from "../ports/xtables.ts";
import { decide, type Desired } from "../reconcile/decide.ts";
import { planTables } from "../reconcile/plan-tables.ts";
import { collect } from "./collect.ts";
import { knownNic, legacyDoubt, readGround } from "./ground.ts";
import { hookPathsOf } from "./hook.ts";
import type { Output } from "./output.ts";
import type { Settings } from "./settings.ts";

/** Looks at what the examinations need, and examines it. */
export async function examineHost(
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
      const look = await lookAt(name, { host, written, settings });
      pending.delete(name);
      return [name, look];
    });
    return examine(chosen, Object.fromEntries(await Promise.all(looks)) as LookedFacts);
  } finally {
    clearInterval(timer);
  }
}

const patienceMs = 3_000;

const ofWritten = ["desired", "problems", "drift", "answers"] as const;

function isOfWritten(name: FactName): name is (typeof ofWritten)[number] {
  return ofWritten.some((each) => each === name);
}

type Written = Looked<Pick<Facts, "problems"> & Partial<Pick<Facts, "desired">>>;

interface Sight {
  readonly host: HostExaminer;
  readonly written: Promise<Written>;
  readonly settings: Settings;
}

async function lookAt(
  name: FactName,
  { host, written, settings }: Sight,
): Promise<Looked<unknown>> {
  if (name === "ownership") return askOwnership(settings.daemonSocket);
  if (name === "ground") return lookAtGround(written);
  if (!isOfWritten(name)) return attempt(() => host.look(name));
  const look = await written;
  if ("reason" in look) return look;
  if (name === "problems") return { seen: look.seen.problems };
  const { desired } = look.seen;
  if (desired === undefined) return { reason: "the policy has errors: virtwall check" };
  if (name === "drift") return attempt(() => lookAtDrift(desired, settings));
  return name === "answers" ? attempt(() => lookAtAnswers(desired)) : { seen: desired };
}

async function lookAtDrift(
  { compiled }: Desired,
  { gateSocket }: Settings,
): Promise<Facts["drift"]> {
  const kernel = await openKernel({ gate: "none", socket: gateSocket });
  try {
    return planTables(await kernel.readTables(), compiled.tables).changes;
  } finally {
    kernel.close();
  }
}

/** A datagram to each, which nobody has to take: that somebody is there the kernel learns before it is sent. */
async function lookAtAnswers({ compiled: { intent } }: Desired): Promise<Facts["answers"]> {
  const { firewall } = intent;
  const inner = intent.nics.filter(({ guest, bridge }) => {
    return firewall !== undefined && firewall.guests.includes(guest) && bridge !== firewall.wan;
  });
  const asked = inner.flatMap(({ bridge, mac, addresses }) =>
    bridge === undefined ? [] : addresses.map(({ address }) => ({ bridge, mac, address })),
  );
  return askNeighbours(asked);
}

async function askOwnership(socket: string): Promise<Looked<Facts["ownership"]>> {
  const parts = await attempt(() => askParts(socket, "protection"));
  if ("reason" in parts) return parts;
  if (parts.seen === undefined) return { seen: undefined };
  const { protection } = parts.seen;
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
  if (!names.some(isOfWritten)) return { reason: "not asked" };
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
export function reasonOf(error: unknown): string {
  const refusal = refusals.find((each) => error instanceof each);
  if (refusal === undefined) throw error;
  const { message, missing } = error as Error & { readonly missing?: string };
  return missing === undefined ? message : `${message}: apt install ${missing}`;
}

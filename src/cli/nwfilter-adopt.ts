import type { Mac } from "../base/mac.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { VirshGuests } from "../edge/libvirt/virsh-guests.ts";
import { askParts } from "../edge/socket/daemon-client.ts";
import type { GuestPolicy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";
import { guestNamespace } from "../parse/guest-metadata.ts";
import { sidesOf, type DefinedGuest, type GuestSide } from "../ports/guests.ts";
import type { SavedGuestAdoption } from "../ports/state.ts";
import {
  adoptGuest,
  giveGuestBack,
  type GuestAdoptionPorts,
  type GuestChange,
} from "../reconcile/adopt-guest.ts";
import { AdoptionError } from "../reconcile/step-back.ts";
import { collect } from "./collect.ts";
import { printColumns } from "./columns.ts";
import { converge, noDaemon, orAdoptionError, refuseOtherPolicy } from "./converge.ts";
import { ComplaintError, exitStatus, UsageError, type ExitStatus } from "./exit-status.ts";
import { examineMetadata, metadataFile, readMetadata } from "./guest-metadata-text.ts";
import { printJson, type Output } from "./output.ts";
import { planGuestBack } from "./plan-guest-back.ts";
import { planGuestSide, type GuestSidePlan } from "./plan-guest-side.ts";
import { formatParameters } from "./nic-bindings.ts";
import { hasErrors, printProblems } from "./print-problems.ts";
import { demandRoot, refuseFolder, type Settings } from "./settings.ts";
import { stoppable } from "./stoppable.ts";

export interface GuestAdoptOptions {
  readonly guest: string;
  readonly isDryRun: boolean;
  readonly isUndo: boolean;
}

/** The body of `virtwall nwfilter adopt --json`. */
export interface GuestAdoptResult {
  readonly guest: string;
  /** `possible`: what a dry run finds. `refused`: see `problems` and `obstacles`; nothing was changed. */
  readonly state: "adopted" | "possible" | "refused" | "nothing to adopt" | "given back";
  /** The nics that libvirt judged, as they run, or else as they start. */
  readonly nics: readonly {
    readonly mac: string;
    readonly filter: string;
    readonly parameters: Readonly<Record<string, readonly string[]>>;
  }[];
  readonly problems: readonly Problem[];
  readonly obstacles: readonly string[];
}

/** Moves the filters of a guest from libvirt's XML into its metadata, where virtwall reads them. */
export async function runGuestAdopt(
  settings: Settings,
  output: Output,
  options: GuestAdoptOptions,
): Promise<ExitStatus> {
  demandRoot("nwfilter adopt");
  refuseFolder("nwfilter adopt", settings);
  const guests = new VirshGuests(settings.connectUri, guestNamespace);
  const guest = await guests.find(options.guest);
  if (guest === undefined) throw new ComplaintError(`libvirt knows no guest ${options.guest}`);
  const call = { settings, output, options, guests, guest };
  const { result, texts } = options.isUndo ? await undo(call) : await move(call);
  if (settings.json) printJson(output, result);
  else {
    output.err(printProblems(result.problems, texts));
    output.out(printResult(result));
  }
  return result.state === "refused" ? exitStatus.problems : exitStatus.ok;
}

interface Call {
  readonly settings: Settings;
  readonly output: Output;
  readonly options: GuestAdoptOptions;
  readonly guests: VirshGuests;
  readonly guest: DefinedGuest;
}

interface Answer {
  readonly result: GuestAdoptResult;
  /** In which problems have their places. */
  readonly texts: ReadonlyMap<string, string>;
}

async function move(call: Call): Promise<Answer> {
  const { settings, options, guest } = call;
  const before = await collect(settings);
  const plans = await planSides(call, before.written.policy.guests.get(options.guest));
  const all = [...plans.values()];
  const nics = all.find((plan) => plan.nics.length > 0)?.nics ?? [];
  const next = all[0]?.change.metadata[0]?.after;
  const texts = new Map([[metadataFile, next ?? ""]]);
  const about = { name: options.guest, uuid: guest.uuid };
  const problems =
    next === undefined ? [] : await examineMetadata(settings, { ...about, text: next });
  const obstacles = await obstaclesOf(call, all);
  const found = {
    guest: options.guest,
    nics: nics.map(({ parameters, mac, filter }) => {
      return { mac, filter, parameters: Object.fromEntries(parameters) };
    }),
    problems,
    obstacles,
  };
  if (hasErrors(problems) || obstacles.length > 0) {
    return { result: { ...found, state: "refused" }, texts };
  }
  if (nics.length === 0) return { result: { ...found, state: "nothing to adopt" }, texts };
  if (options.isDryRun) return { result: { ...found, state: "possible" }, texts };
  await refuseOtherPolicy(settings, before.policyTexts);
  const macs = guest.isRunning ? nics.map(({ mac }) => mac) : [];
  const saved = savedOf(call, plans);
  await stoppable(call.output, (tell) =>
    adoptGuest(saved, changeOf(all), { ...portsOf(call, macs), tell }),
  );
  return { result: { ...found, state: "adopted" }, texts };
}

async function planSides(
  { options, guest, guests }: Call,
  written: GuestPolicy | undefined,
): Promise<ReadonlyMap<GuestSide, GuestSidePlan>> {
  const plans = new Map<GuestSide, GuestSidePlan>();
  for (const side of sidesOf(guest)) {
    const metadata = await guests.metadata(guest.uuid, side);
    const own = metadata === undefined ? undefined : readMetadata(metadata, options.guest).own;
    const xml = await guests.xml(guest.uuid, side);
    plans.set(side, planGuestSide({ side, xml, metadata, own, written }));
  }
  return plans;
}

async function obstaclesOf(
  { settings, guest }: Call,
  plans: readonly GuestSidePlan[],
): Promise<string[]> {
  const found = new Set(plans.flatMap((plan) => plan.obstacles));
  const adopted = await new StateFolder(settings.stateFolder).loadGuestAdoptions();
  const isAgain = adopted.some(({ uuid }) => uuid === guest.uuid);
  if (isAgain && plans.some((plan) => plan.nics.length > 0)) {
    found.add("it is adopted already: give it back first, with --undo");
  }
  return [...found];
}

function changeOf(plans: readonly GuestSidePlan[]): GuestChange {
  return {
    nics: plans.flatMap(({ change }) => change.nics),
    metadata: plans.flatMap(({ change }) => change.metadata),
  };
}

function savedOf(
  { options, guest }: Call,
  plans: ReadonlyMap<GuestSide, GuestSidePlan>,
): SavedGuestAdoption {
  const nics = new Map<Mac, Partial<Record<GuestSide, string>>>();
  for (const [side, plan] of plans) {
    for (const { mac, xml } of plan.nics) nics.set(mac, { ...nics.get(mac), [side]: xml });
  }
  const metadata = [...plans].flatMap(([side, { change }]) =>
    change.metadata.map(({ before, after }) => [side, { before, after }] as const),
  );
  return {
    guest: options.guest,
    uuid: guest.uuid,
    nics: [...nics].map(([mac, filterRef]) => ({ mac, filterRef })),
    metadata: Object.fromEntries(metadata),
  };
}

async function undo(call: Call): Promise<Answer> {
  const { settings, options, guest, guests } = call;
  if (options.isDryRun) throw new UsageError("--undo and --dry-run exclude each other");
  const saved = (await new StateFolder(settings.stateFolder).loadGuestAdoptions()).find(
    ({ uuid }) => uuid === guest.uuid,
  );
  if (!saved)
    throw new ComplaintError(`${options.guest} was not adopted, or was given back already`);
  await refuseOtherPolicy(settings, (await collect(settings)).policyTexts);
  const changes: GuestChange[] = [];
  for (const side of sidesOf(guest)) {
    const xml = await guests.xml(guest.uuid, side);
    const metadata = await guests.metadata(guest.uuid, side);
    changes.push(planGuestBack(saved, { side, xml, metadata }));
  }
  const change = {
    nics: changes.flatMap(({ nics }) => nics),
    metadata: changes.flatMap(({ metadata }) => metadata),
  };
  await stoppable(call.output, (tell) =>
    giveGuestBack({ guest: options.guest, uuid: guest.uuid }, change, {
      ...portsOf(call, []),
      tell,
    }),
  );
  const result = { guest: options.guest, nics: [], problems: [], obstacles: [] };
  return { result: { ...result, state: "given back" }, texts: new Map() };
}

function portsOf(
  { settings, options, guests }: Call,
  macs: readonly Mac[],
): Omit<GuestAdoptionPorts, "tell"> {
  return {
    guests,
    store: new StateFolder(settings.stateFolder),
    daemon: {
      converge: () => converge(settings),
      expectEnforced: () => expectEnforced(settings, options.guest, macs),
    },
  };
}

/** What the daemon says of the nics: without rules of ours libvirt's must not go. */
async function expectEnforced(
  { daemonSocket }: Settings,
  name: string,
  macs: readonly Mac[],
): Promise<void> {
  const told = await orAdoptionError(askParts(daemonSocket, "guests"));
  if (told === undefined) throw new AdoptionError(noDaemon);
  const guest = told.guests.find((candidate) => candidate.name === name);
  for (const mac of macs) {
    const filter = guest?.nics.find((nic) => nic.mac === mac)?.filter;
    if (filter?.state === "enforced") continue;
    throw new AdoptionError(
      `virtwall does not judge nic ${mac}: ${filter?.reason ?? "see virtwall check"}`,
    );
  }
}

function printResult({ guest, state, nics, obstacles }: GuestAdoptResult): string {
  const rows = nics.map(({ mac, filter, parameters }) => {
    return [mac, filter, formatParameters(parameters)];
  });
  return [
    printColumns(rows),
    ...obstacles.map((obstacle) => `in the way: ${obstacle}\n`),
    `${verdict(state, guest)}\n`,
  ].join("");
}

function verdict(state: GuestAdoptResult["state"], guest: string): string {
  switch (state) {
    case "adopted":
      return `virtwall enforces the filters of ${guest} now, and libvirt none; --undo gives them back`;
    case "possible":
      return `the filters of ${guest} can be adopted; nothing was written yet`;
    case "refused":
      return `${guest} stays as it is`;
    case "nothing to adopt":
      return `libvirt's XML binds no nic of ${guest} to a filter`;
    case "given back":
      return `libvirt enforces the filters of ${guest} again, as before`;
  }
}

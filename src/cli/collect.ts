import { defined } from "../base/defined.ts";
import { BridgeLinks } from "../edge/host/bridge-links.ts";
import type { OperatorTexts } from "../edge/files/policy-history.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { openSources, type Sources } from "../edge/libvirt/open-sources.ts";
import type { Guest, Inventory } from "../model/inventory.ts";
import type { Problem } from "../model/problem.ts";
import { replaceText, type LibvirtTexts, type SourceText } from "../model/source-text.ts";
import { parseInventory } from "../parse/inventory.ts";
import { mergeFilters } from "../parse/merge-filters.ts";
import { readParsedTexts, type ParsedTexts } from "../parse/parsed-text.ts";
import { parsePolicy } from "../parse/policy.ts";
import { decide, type Decision, type Desired, type Written } from "../reconcile/decide.ts";
import type { FilterTexts } from "../ports/sources.ts";
import { ComplaintError, UndecidedError } from "./exit-status.ts";
import { verdictOf } from "./print-problems.ts";
import type { Settings } from "./settings.ts";

/** What is written and what follows from it, with the texts in which problems have their places. */
export interface Collected {
  readonly written: Written;
  readonly decision: Decision;
  readonly policyTexts: readonly SourceText[];
  readonly filterTexts: FilterTexts;
  readonly texts: ReadonlyMap<string, string>;
  /** Names of the texts that define network filters. */
  readonly filterFiles: ReadonlySet<string>;
  /** Of the policy's files. */
  readonly parsedTexts: ParsedTexts;
  /** What stands where policy and filters are read from, and was not. */
  readonly passedOver: readonly Problem[];
}

/** Reads everything once. `replaced` stands for a policy file that is not written yet. */
export async function collect(settings: Settings, replaced?: SourceText): Promise<Collected> {
  return imagine(settings, replaced === undefined ? {} : { policy: replaced });
}

/** What is not so yet. */
export interface Imagined {
  /** Stands for a policy file. */
  readonly policy?: SourceText;
  /** Stand for all policy files, and for all of virtwall's own filters. */
  readonly texts?: OperatorTexts;
  /** A network's XML as it would be. */
  readonly network?: (xml: string) => string;
  /** Stands for a file of virtwall's own filters; no `by`: there is no such file. */
  readonly filter?: { readonly file: string; readonly by?: SourceText };
  /** What a guest's own XML would say of it. */
  readonly own?: Pick<Guest, "name" | "uuid"> & { readonly own: Guest["own"] };
}

/** Reads everything once, as it would be with some of it changed. */
export async function imagine(settings: Settings, imagined: Imagined): Promise<Collected> {
  const sources = openSources(settings);
  try {
    return await collectFrom(sources, settings, imagined);
  } finally {
    sources.close();
  }
}

/** What is to hold, for who asks about guests. Throws {@link UndecidedError}. */
export function demandDesired({ desired, problems }: Decision): Desired {
  if (desired !== undefined) return desired;
  const found = verdictOf(problems);
  throw new UndecidedError(`guests are not known: the policy has ${found}: virtwall check`);
}

/** What the same host would be decided with other texts of the operator's. */
export function decideAnew(collected: Collected, texts: OperatorTexts): Decision {
  return decide(writeAnew(collected, texts), undefined);
}

/** The same host, had the operator written these texts. */
export function writeAnew(
  { written, filterTexts, parsedTexts, passedOver }: Collected,
  { policy: texts, ownFilters }: OperatorTexts,
): Written {
  const { policy, problems: policyProblems } = parsePolicy(texts, parsedTexts);
  const { filters, brokenFilters, problems } = mergeFilters({ ...filterTexts, ownFilters });
  const isOfFilters = ({ at }: Problem) =>
    filterTexts.ownFilters.some(({ file }) => file === at.file);
  return {
    ...written,
    policy,
    policyProblems: [...policyProblems, ...passedOver],
    inventory: { ...written.inventory, filters, brokenFilters },
    inventoryProblems: [
      ...written.inventoryProblems.filter((problem) => !isOfFilters(problem)),
      ...problems,
    ],
  };
}

async function collectFrom(
  sources: Sources,
  settings: Settings,
  { policy: replaced, texts: imagined, network, filter, own }: Imagined,
): Promise<Collected> {
  const { isForAnyHost, isPolicyNamed, stateFolder } = settings;
  const [policyRead, found, filtersRead, interfaces, learned, bridges, saved] = await Promise.all([
    sources.policy.read(),
    sources.libvirt.read(),
    sources.filters.read(),
    sources.host.read(),
    sources.learned.read(),
    isForAnyHost ? undefined : new BridgeLinks().bridges(),
    new StateFolder(stateFolder).loadParsed(),
  ]);
  const read = imagined?.policy ?? policyRead;
  const filters = { ...filtersRead, ...(imagined && { ownFilters: imagined.ownFilters }) };
  const filterTexts = withFilter(filters, filter);
  const libvirt = { ...(network ? withNetworks(found, network) : found), ...filterTexts };
  if (isPolicyNamed && read.length === 0 && !replaced) {
    throw new ComplaintError(`there is no policy file ${settings.policyFile}`);
  }
  const policyTexts = replaced ? replaceText(read, replaced) : read;
  const known = readParsedTexts(saved ?? "");
  const { policy, problems: policyProblems, parsedTexts } = parsePolicy(policyTexts, known);
  const parsed = parseInventory(libvirt, interfaces);
  const inventory = own ? withOwn(parsed.inventory, own) : parsed.inventory;
  const host = defined({ ...inventory.host, bridges });
  const { networks, guests, leases, ownFilters } = libvirt;
  const inventoryTexts = [networks, guests, leases, libvirt.filters].flat();
  const first = {
    policy,
    policyProblems: [...policyProblems, ...passedOverBy(sources)],
    inventory: { ...inventory, ...learned, host },
    inventoryProblems: parsed.problems,
    inventoryFiles: new Set(inventoryTexts.map((text) => text.file)),
  };
  const { written, decision } = await withAgents(sources, first);
  return {
    written,
    decision,
    policyTexts,
    parsedTexts: new Map(parsedTexts.map((each) => [each.source.file, each])),
    passedOver: passedOverBy(sources),
    filterTexts,
    filterFiles: new Set([...libvirt.filters, ...ownFilters].map(({ file }) => file)),
    texts: new Map(
      [...policyTexts, ...inventoryTexts, ...ownFilters].map(({ file, text }) => [file, text]),
    ),
  };
}

/** Where an address is needed that only a guest's agent may know, it is asked once. */
async function withAgents(
  { learned }: Sources,
  written: Written,
): Promise<Pick<Collected, "written" | "decision">> {
  const decision = decide(written, undefined);
  const uuids = decision.desired?.compiled.agentsToAsk ?? [];
  if (uuids.length === 0) return { written, decision };
  await learned.ask(uuids);
  const asked = { ...written, inventory: { ...written.inventory, ...(await learned.read()) } };
  return { written: asked, decision: decide(asked, undefined) };
}

function withFilter(texts: FilterTexts, replaced: Imagined["filter"]): FilterTexts {
  if (replaced === undefined) return texts;
  const others = texts.ownFilters.filter(({ file }) => file !== replaced.file);
  return { ...texts, ownFilters: [...others, ...(replaced.by ? [replaced.by] : [])] };
}

function passedOverBy({ policy, filters }: Sources): Problem[] {
  return [...(policy.passedOver ?? []), ...(filters.passedOver ?? [])];
}

/** A guest that does not run has no nic yet. */
function withOwn(
  inventory: Inventory,
  { name, uuid, own }: NonNullable<Imagined["own"]>,
): Inventory {
  const present = inventory.guests.find((guest) => guest.name === name);
  const at = { file: `libvirt:guest/${uuid}.xml`, line: 1, column: 1 };
  const { own: _former, ...guest } = present ?? { name, uuid, nics: [], at };
  const others = inventory.guests.filter((other) => other !== present);
  return { ...inventory, guests: [...others, { ...guest, ...(own && { own }) }] };
}

function withNetworks(texts: LibvirtTexts, change: (xml: string) => string): LibvirtTexts {
  const networks = texts.networks.map(({ file, text }) => ({ file, text: change(text) }));
  return { ...texts, networks };
}

import { openSources, type Sources } from "../edge/libvirt/open-sources.ts";
import type { LibvirtTexts, SourceText } from "../model/source-text.ts";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { decide, type Decision, type Written } from "../reconcile/decide.ts";
import { UsageError } from "./exit-status.ts";
import type { Settings } from "./settings.ts";

/** What is written and what follows from it, with the texts in which problems have their places. */
export interface Collected {
  readonly written: Written;
  readonly decision: Decision;
  readonly policyTexts: readonly SourceText[];
  readonly texts: ReadonlyMap<string, string>;
}

/** Reads everything once. `replaced` stands for a policy file that is not written yet. */
export async function collect(settings: Settings, replaced?: SourceText): Promise<Collected> {
  return imagine(settings, replaced === undefined ? {} : { policy: replaced });
}

/** What is not so yet. */
interface Imagined {
  /** Stands for a policy file. */
  readonly policy?: SourceText;
  /** A network's XML as it would be. */
  readonly network?: (xml: string) => string;
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

async function collectFrom(
  sources: Sources,
  settings: Settings,
  { policy: replaced, network }: Imagined,
): Promise<Collected> {
  const [read, found, interfaces] = await Promise.all([
    sources.policy.read(),
    sources.libvirt.read(),
    sources.host.read(),
  ]);
  const libvirt = network ? withNetworks(found, network) : found;
  if (settings.isPolicyNamed && read.length === 0 && !replaced) {
    throw new UsageError(`there is no policy file ${settings.policyFile}`);
  }
  const policyTexts = replaced ? replaceText(read, replaced) : read;
  const { policy, problems: policyProblems } = parsePolicy(policyTexts);
  const { inventory, problems: inventoryProblems } = parseInventory(libvirt, interfaces);
  const inventoryTexts = [...libvirt.networks, ...libvirt.guests, ...libvirt.leases];
  const written = {
    policy,
    policyProblems,
    inventory,
    inventoryProblems,
    inventoryFiles: new Set(inventoryTexts.map((text) => text.file)),
  };
  return {
    written,
    decision: decide(written, undefined),
    policyTexts,
    texts: new Map([...policyTexts, ...inventoryTexts].map(({ file, text }) => [file, text])),
  };
}

function withNetworks(texts: LibvirtTexts, change: (xml: string) => string): LibvirtTexts {
  const networks = texts.networks.map(({ file, text }) => ({ file, text: change(text) }));
  return { ...texts, networks };
}

/** The files with one of them replaced, or added at its place: the main file stands first. */
export function replaceText(texts: readonly SourceText[], replaced: SourceText): SourceText[] {
  return texts.some((text) => text.file === replaced.file)
    ? texts.map((text) => (text.file === replaced.file ? replaced : text))
    : [replaced, ...texts];
}

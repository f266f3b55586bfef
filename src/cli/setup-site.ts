import { resolve } from "node:path";
import { readHooks } from "../edge/hooks/read-hooks.ts";
import { openKernel } from "../edge/nft/open-kernel.ts";
import type { NotCarried } from "../import/forward.ts";
import { planImport } from "../import/plan-import.ts";
import { readForwards } from "../import/read-forwards.ts";
import { replaceText, type SourceText } from "../model/source-text.ts";
import { uplinkNames } from "../model/uplinks.ts";
import { decide } from "../reconcile/decide.ts";
import type { FoundFirewall } from "../wire/daemon-status.ts";
import { imagine, writeAnew, type Collected } from "./collect.ts";
import { hookPathsOf } from "./hook.ts";
import { readOperatorTexts } from "./operator-texts.ts";
import type { Settings } from "./settings.ts";
import { readIntegration } from "./status.ts";

/** What the questions are about. */
export interface SetupSite {
  readonly collected: Collected;
  /** The policy file as it is, where it says anything. */
  readonly present?: SourceText;
  readonly firewalls: readonly FoundFirewall[];
  /** Those that hold a default route. */
  readonly uplinks: readonly string[];
  /** In libvirt's words, with what each does. */
  readonly networks: readonly string[];
  /** What scripts of the admin's publish, as a policy, and where they stand. */
  readonly imported: string;
  readonly notCarried: readonly NotCarried[];
  readonly hookFiles: readonly string[];
}

export async function readSetupSite(settings: Settings, hooksFolder: string): Promise<SetupSite> {
  // The policy may be about to be written for the first time.
  const collected = await imagine({ ...settings, isPolicyNamed: false }, {});
  const { written, decision } = collected;
  const others = (await readHooks(hooksFolder, hookPathsOf(settings))).others;
  const { uplinks: _own, ...byDefault } = written.policy.host;
  const found = others.flatMap((text) => readForwards(text) ?? []);
  const uplinks = [...uplinkNames(byDefault, written.inventory.host)];
  const guests = decision.desired?.compiled.guests ?? [];
  const plan = planImport(found, { guests, uplinks });
  const file = resolve(settings.policyFile);
  const present = collected.policyTexts.find((text) => resolve(text.file) === file);
  const kernel = await openKernel({ gate: "none", socket: settings.gateSocket });
  try {
    return {
      collected,
      ...(present && saysAnything(present) && { present }),
      firewalls: (await readIntegration(kernel, written.policy)).firewalls,
      uplinks,
      networks: written.inventory.networks.map(({ name, forward }) => `${name} (${forward})`),
      imported: plan.policy,
      notCarried: plan.notCarried,
      hookFiles: others.map((text) => text.file),
    };
  } finally {
    kernel.close();
  }
}

/** Not so the example that a package brings. */
function saysAnything({ text }: SourceText): boolean {
  return text.split("\n").some((line) => !/^\s*(#.*)?$/.test(line));
}

/** What would be the case with that policy file, everything else as it is. */
export async function withPolicy(
  settings: Settings,
  { collected }: SetupSite,
  text: string,
): Promise<Collected> {
  const present = await readOperatorTexts(settings);
  const file = resolve(settings.policyFile);
  const policyTexts = replaceText(present.policy, { file, text });
  const written = writeAnew(collected, { ...present, policy: policyTexts });
  return {
    ...collected,
    written,
    decision: decide(written, undefined),
    policyTexts,
    texts: new Map([
      ...collected.texts,
      ...policyTexts.map((one) => [one.file, one.text] as const),
    ]),
  };
}

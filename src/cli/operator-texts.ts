import { dirname, join, resolve } from "node:path";
import {
  PolicyHistory,
  readable,
  type HeldTexts,
  type OperatorTexts,
} from "../edge/files/policy-history.ts";
import { StateFolder } from "../edge/files/state-folder.ts";
import { openSources } from "../edge/libvirt/open-sources.ts";
import type { Settings } from "./settings.ts";

export function historyOf({ stateFolder }: Settings): PolicyHistory {
  return new PolicyHistory(join(stateFolder, "history"));
}

/** What was in force of this policy, newest first: another one may have been applied with the same state. */
export async function loadHistory(settings: Settings): Promise<readonly HeldTexts[]> {
  const main = resolve(settings.policyFile);
  const folders = new Set(["policy.d", "nwfilter"].map((name) => join(dirname(main), name)));
  const held = await historyOf(settings).load();
  return held.filter(({ policy, ownFilters }) =>
    [...policy, ...ownFilters].every(({ file }) => file === main || folders.has(dirname(file))),
  );
}

/** What is written now, whether it is in force or not. */
export async function readOperatorTexts(settings: Settings): Promise<OperatorTexts> {
  const sources = openSources({ ...settings, policyFile: resolve(settings.policyFile) });
  try {
    const [policy, { ownFilters }] = await Promise.all([
      sources.policy.read(),
      sources.filters.read(),
    ]);
    return readable({ policy, ownFilters });
  } finally {
    sources.close();
  }
}

/** What was in force last; undefined where nothing ever was. */
export async function readTextsInForce(settings: Settings): Promise<OperatorTexts | undefined> {
  const [newest] = await loadHistory(settings);
  if (newest !== undefined) return newest;
  const saved = await new StateFolder(settings.stateFolder).load();
  return saved && { policy: saved.policy, ownFilters: saved.filters?.ownFilters ?? [] };
}

import { join } from "node:path";
import { PolicyHistory } from "../edge/files/policy-history.ts";
import { putBack } from "../edge/files/put-back.ts";
import { Unconfirmed } from "../edge/files/unconfirmed.ts";
import type { Sources } from "../edge/libvirt/open-sources.ts";
import type { Journal } from "./journal.ts";
import { isRefusal } from "./refusal.ts";

const lookEveryMs = 5_000;

export interface TakeBackParts {
  readonly stateFolder: string;
  readonly sources: Pick<Sources, "policy" | "filters">;
  readonly journal: Journal;
}

/**
 * A change that waits for its confirmation while nobody waits any more, as after a reboot, is taken back: the files say again what was
 * in force before. Where that was nothing, they are gone. What cannot be put back is told, unless it is `told` already, and tried
 * again later: answers why.
 */
export async function takeBackUnconfirmed(
  parts: TakeBackParts,
  told?: string,
): Promise<string | undefined> {
  const unconfirmed = new Unconfirmed(parts.stateFolder);
  if (!unconfirmed.isThere()) return undefined;
  try {
    const claim = await unconfirmed.claim();
    if (claim === undefined) return undefined;
    try {
      await takeBack(unconfirmed, parts);
    } finally {
      claim.letGo();
    }
    return undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (error.message !== told) parts.journal.add("error", "refused", error.message);
    return error.message;
  }
}

/** The same while the daemon runs: who waited may have been ended. Answers how to end it. */
export function watchUnconfirmed(parts: TakeBackParts, told?: string): () => void {
  let last = told;
  let isEnded = false;
  let timer: NodeJS.Timeout | undefined;
  // The next look begins after this one is over: taking back may last.
  const look = async (): Promise<void> => {
    last = await takeBackUnconfirmed(parts, last);
    if (!isEnded) lookLater();
  };
  const lookLater = (): void => {
    timer = setTimeout(() => void look(), lookEveryMs).unref();
  };
  lookLater();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}

async function takeBack(unconfirmed: Unconfirmed, parts: TakeBackParts): Promise<void> {
  const { stateFolder, sources, journal } = parts;
  const change = await unconfirmed.take();
  // Confirmed this moment.
  if (change === undefined) return;
  const before = change.before ?? { policy: [], ownFilters: [] };
  const { ownFilters } = await sources.filters.read();
  const history = new PolicyHistory(join(stateFolder, "history"));
  await history.announce(before, { by: "virtwall: not confirmed" });
  const kept = await putBack(before, { policy: await sources.policy.read(), ownFilters });
  await unconfirmed.finish();
  const where = kept.length === 0 ? "" : `; what they said is in ${kept.join(", ")}`;
  const message = `the last change was not confirmed: the files are put back${where}`;
  journal.add("warning", "taken-back", message);
}

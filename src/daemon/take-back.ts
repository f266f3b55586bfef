import { join } from "node:path";
import { PolicyHistory } from "../edge/files/policy-history.ts";
import { putBack } from "../edge/files/put-back.ts";
import { Unconfirmed } from "../edge/files/unconfirmed.ts";
import type { Sources } from "../edge/libvirt/open-sources.ts";
import type { Journal } from "./journal.ts";
import { isRefusal } from "./refusal.ts";

/**
 * A change that waits for its confirmation while nobody waits any more, as after a reboot, is taken back before anything is read: the
 * files say again what was in force before. Where that was nothing, they are gone.
 */
export async function takeBackUnconfirmed(
  stateFolder: string,
  { policy, filters }: Pick<Sources, "policy" | "filters">,
  journal: Journal,
): Promise<void> {
  const unconfirmed = new Unconfirmed(stateFolder);
  try {
    if (!unconfirmed.isThere()) return;
    const release = unconfirmed.claim();
    if (release === undefined) return;
    const change = await unconfirmed.take();
    const before = change?.before ?? { policy: [], ownFilters: [] };
    const { ownFilters } = await filters.read();
    const history = new PolicyHistory(join(stateFolder, "history"));
    await history.announce(before, "virtwall: not confirmed before the daemon started");
    const kept = await putBack(before, { policy: await policy.read(), ownFilters });
    await unconfirmed.end();
    release();
    const where = kept.length === 0 ? "" : `; what they said is in ${kept.join(", ")}`;
    journal.add(
      "warning",
      "taken-back",
      `the last change was not confirmed: the files are put back${where}`,
    );
  } catch (error) {
    if (!isRefusal(error)) throw error;
    journal.add("error", "refused", error.message);
  }
}

import type { LearnedSource } from "../ports/sources.ts";
import type { Decision } from "../reconcile/decide.ts";

/** At its start the daemon finds in the kernel addresses that only agents know: they would be taken away and put again. */
const firstMs = 1_000;

/**
 * Has those agents asked that the decision needs. Waits for their answers at the start only: a guest may leave its agent silent for as
 * long as it likes. True if there may be answers now.
 */
export async function askAgents(
  learned: LearnedSource | undefined,
  decision: Decision | undefined,
  isStart: boolean,
): Promise<boolean> {
  const uuids = decision?.desired?.compiled.agentsToAsk ?? [];
  const asking = learned?.ask(uuids);
  if (!isStart || uuids.length === 0 || !asking) return false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, firstMs)));
  await Promise.race([asking, late]);
  clearTimeout(timer);
  return true;
}

import {
  forwardElementOf,
  isSameButForward,
  withForwardElement,
} from "../parse/network-forward.ts";
import type { SavedAdoption } from "../ports/state.ts";
import { editedSinceStart } from "../reconcile/plan-adoption.ts";

export interface NetworkBack {
  /** By which libvirt is to start it: what it keeps now, with the `<forward>` of before. */
  readonly xml: string;
  readonly forward: string;
  /** What else was edited since it was adopted, and stays. */
  readonly edits: readonly string[];
  /** Why it cannot be given back without losing an edit, or bringing in one that waits for a restart. */
  readonly obstacles: readonly string[];
}

/** `kept` is by which libvirt would start it, `live` by which it runs, if it does. Undefined where there is no `<forward>` to put back. */
export function planNetworkBack(
  { network, xml: { before, after } }: Pick<SavedAdoption, "network" | "xml">,
  { kept, live }: { readonly kept: string; readonly live: string | undefined },
): NetworkBack | undefined {
  const [former, open, present] = [before, after, kept].map(forwardElementOf);
  const xml = former && withForwardElement(kept, former);
  if (former === undefined || open === undefined || !xml) return undefined;
  const isOthers = present !== open && present !== former;
  const isRestartDue = live !== undefined && !isSameButForward(live, kept);
  return {
    xml,
    forward: former,
    edits: isSameButForward(kept, after) ? [] : [`${network} was edited since, and that stays`],
    obstacles: [
      ...(isOthers ? [`its <forward> was edited since: write ${open} again (virsh net-edit)`] : []),
      ...(isRestartDue ? [editedSinceStart(network)] : []),
    ],
  };
}

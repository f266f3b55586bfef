import { KernelError } from "../ports/kernel.ts";
import { LinkError } from "../ports/links.ts";
import { SourceError } from "../ports/sources.ts";
import { StateError } from "../ports/state.ts";
import { XtablesError } from "../ports/xtables.ts";

const refusals = [SourceError, KernelError, StateError, XtablesError, LinkError] as const;

/** What a port throws when the machine refuses; anything else is a bug of ours. */
export function isRefusal(error: unknown): error is InstanceType<(typeof refusals)[number]> {
  return refusals.some((refusal) => error instanceof refusal);
}

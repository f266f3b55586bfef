import { resolve } from "node:path";
import { askDaemon, askParts, DaemonError } from "../edge/socket/daemon-client.ts";
import type { SourceText } from "../model/source-text.ts";
import { AdoptionError } from "../reconcile/step-back.ts";
import { verdictOf } from "./print-problems.ts";
import type { Settings } from "./settings.ts";

/** Why nothing is adopted without one. */
export const noDaemon =
  "the daemon does not run, and it has to look after the guests: systemctl start virtwall, or virtwall daemon";

/** A daemon that follows another policy would converge too, but not on what is written here. */
export async function refuseOtherPolicy(
  { daemonSocket }: Settings,
  texts: readonly SourceText[],
): Promise<void> {
  const told = await askParts(daemonSocket, "policy");
  if (told === undefined) throw new AdoptionError(noDaemon);
  const followed = told.policy.files;
  if (followed.join("\n") === texts.map(({ file }) => resolve(file)).join("\n")) return;
  const theirs = followed.length === 0 ? "an empty one" : followed.join(", ");
  throw new AdoptionError(`the daemon follows another policy (${theirs}): name it with --policy`);
}

/** Throws {@link AdoptionError} unless the daemon has put what is written now into the kernel. */
export async function converge({ daemonSocket }: Settings): Promise<void> {
  const reply = await orAdoptionError(askDaemon(daemonSocket, { request: "reload" }));
  if (reply?.kind !== "reload") throw new AdoptionError(noDaemon);
  const { state, error, problems } = reply.result;
  if (state === "converged") return;
  throw new AdoptionError(error ?? `the daemon refuses the policy: ${verdictOf(problems)}`);
}

/** A daemon that breaks off refuses: what was begun is undone. Throws {@link AdoptionError}. */
export function orAdoptionError<Reply>(asked: Promise<Reply>): Promise<Reply> {
  return asked.catch((cause: unknown) => {
    if (cause instanceof DaemonError) throw new AdoptionError(cause.message, { cause });
    throw cause;
  });
}

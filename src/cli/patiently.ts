import { setTimeout } from "node:timers/promises";
import { AdoptionError } from "../reconcile/step-back.ts";

const patienceMs = 15_000;

/** libvirt and the daemon take a moment after a restart. What they still refuse then is an {@link AdoptionError}. */
export async function patiently(action: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const isRefusal = error instanceof Error && passing.has(error.name);
      if (!isRefusal) throw error;
      if (performance.now() > deadline) throw new AdoptionError(error.message, { cause: error });
    }
    await setTimeout(200);
  }
}

const passing: ReadonlySet<string> = new Set(["AdoptionError", "SourceError", "DaemonError"]);

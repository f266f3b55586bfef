import { defined } from "../base/defined.ts";
import { KernelError, type Kernel } from "../ports/kernel.ts";
import type { DaemonStatus } from "../wire/daemon-status.ts";
import { listLearned } from "../reconcile/list-learned.ts";
import { countsOf, firewallsOf, statusBody, type Counts } from "../wire/status-body.ts";
import type { Follower } from "./follower.ts";

export interface StatusInput {
  readonly identity: NonNullable<DaemonStatus["daemon"]>;
  readonly follower: Follower;
  readonly kernel: Kernel;
  /** Undefined where there is no gate; throws {@link KernelError} where it does not answer. */
  readonly gatePid: () => Promise<number | undefined>;
}

/** Counters are read now; all else is as of the last round. */
export async function readStatus(input: StatusInput): Promise<DaemonStatus> {
  const [counts, learned, { pid, silence }] = await Promise.all([
    readCounts(input.kernel),
    listLearned(input.kernel),
    askGate(input),
  ]);
  const { beliefs, upkeep, errors } = input.follower;
  const { decision, policyTexts } = beliefs;
  const desired = decision?.desired;
  return {
    daemon: input.identity,
    protection: upkeep.ownership ?? { mode: "unknown", reason: "the kernel was not asked yet" },
    ...(pid !== undefined && { gate: { pid } }),
    policy: {
      inForce: decision?.inForce ?? "undecided",
      files: policyTexts.map((text) => text.file),
      problems: decision?.problems ?? [],
      keptGuests: decision?.keptGuests ?? [],
      keepsFilters: decision?.keepsFilters ?? false,
    },
    errors: [...new Set([...errors, ...silence])],
    ...statusBody(desired?.compiled, { counts, learned }),
    integration: {
      mode: desired?.policy.host.integration ?? "auto",
      firewalls: firewallsOf(upkeep.passRules),
      chains: upkeep.passRules,
      ...defined({ contested: upkeep.contest }),
    },
    gaps: { tables: upkeep.gaps.tables.gap, passRules: upkeep.gaps.passRules.gap },
  };
}

async function askGate({
  gatePid,
}: StatusInput): Promise<{ pid: number | undefined; silence: readonly string[] }> {
  try {
    return { pid: await gatePid(), silence: [] };
  } catch (error) {
    if (error instanceof KernelError) return { pid: undefined, silence: [error.message] };
    throw error;
  }
}

async function readCounts(kernel: Kernel): Promise<Counts> {
  try {
    return countsOf(await kernel.readCounters());
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

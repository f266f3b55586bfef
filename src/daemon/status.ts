import { defined } from "../base/defined.ts";
import { KernelError, type Kernel } from "../ports/kernel.ts";
import type { PublicationState } from "../model/state.ts";
import type {
  DaemonStatus,
  IntegrationStatus,
  PolicyStatus,
  ProtectionStatus,
  PublishedPorts,
  StatusPart,
  StatusParts,
} from "../wire/daemon-status.ts";
import { listLearned } from "../reconcile/list-learned.ts";
import {
  countsOf,
  firewallsOf,
  guestStatuses,
  networkStatuses,
  publicationStatuses,
  type Counts,
} from "../wire/status-body.ts";
import type { Follower } from "./follower.ts";

export interface StatusInput {
  readonly identity: NonNullable<DaemonStatus["daemon"]>;
  readonly follower: Follower;
  readonly kernel: Kernel;
  /** Undefined where there is no gate; throws {@link KernelError} where it does not answer. */
  readonly gatePid: () => Promise<number | undefined>;
}

export async function readStatus(input: StatusInput): Promise<DaemonStatus> {
  const parts = partsOf(input);
  const [gate, errors, guests, publications] = await Promise.all([
    parts.gate(),
    parts.errors(),
    parts.guests(),
    parts.publications(),
  ]);
  return {
    daemon: parts.daemon(),
    protection: parts.protection(),
    ...defined({ gate }),
    policy: parts.policy(),
    errors,
    networks: parts.networks(),
    guests,
    publications,
    integration: parts.integration(),
    gaps: parts.gaps(),
  };
}

/** What is named of it; nothing is asked for what is not. */
export async function readParts(
  input: StatusInput,
  names: readonly StatusPart[],
): Promise<Partial<StatusParts>> {
  const parts = partsOf(input);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await parts[name]()] as const)),
  );
}

/** Counters and learned addresses are read now; all else is as of the last round. */
function partsOf(input: StatusInput) {
  const { identity, kernel, follower } = input;
  const { beliefs, upkeep, errors } = follower;
  const { decision, policyTexts } = beliefs;
  const compiled = decision?.desired?.compiled;
  let asked: ReturnType<typeof askGate> | undefined;
  const gate = () => (asked ??= askGate(input));
  return {
    daemon: () => identity,
    protection: (): ProtectionStatus =>
      upkeep.ownership ?? { mode: "unknown", reason: "the kernel was not asked yet" },
    gate: async () => (await gate()).gate,
    policy: (): PolicyStatus => ({
      inForce: decision?.inForce ?? "undecided",
      files: policyTexts.map((text) => text.file),
      problems: decision?.problems ?? [],
      keptGuests: decision?.keptGuests ?? [],
      keepsFilters: decision?.keepsFilters ?? false,
    }),
    errors: async () => [...new Set([...errors, ...(await gate()).silence])],
    networks: () => networkStatuses(compiled?.intent.networks),
    guests: async () => guestStatuses(compiled?.guests, await listLearned(kernel)),
    publications: async () => publicationStatuses(compiled?.publications, await readCounts(kernel)),
    published: () => (compiled?.publications ?? []).map(inFewWords),
    integration: (): IntegrationStatus => ({
      mode: decision?.desired?.policy.host.integration ?? "auto",
      firewalls: firewallsOf(upkeep.passRules),
      chains: upkeep.passRules,
      ...defined({ contested: upkeep.contest }),
    }),
    gaps: () => ({ tables: upkeep.gaps.tables.gap, passRules: upkeep.gaps.passRules.gap }),
  } satisfies {
    readonly [Part in StatusPart]: () => StatusParts[Part] | Promise<StatusParts[Part]>;
  };
}

function inFewWords(publication: PublicationState): PublishedPorts {
  const { guest, protocol, address, public: ports, reason } = publication;
  return { guest, protocol, public: ports, ...defined({ address, reason }) };
}

async function askGate({
  gatePid,
}: StatusInput): Promise<{ gate: DaemonStatus["gate"]; silence: readonly string[] }> {
  try {
    const pid = await gatePid();
    return { gate: pid === undefined ? undefined : { pid }, silence: [] };
  } catch (error) {
    if (error instanceof KernelError) return { gate: undefined, silence: [error.message] };
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

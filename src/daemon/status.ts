import { formatPrefix } from "../base/address.ts";
import type { PublicationState } from "../model/state.ts";
import type { Kernel } from "../ports/kernel.ts";
import { KernelError } from "../ports/kernel.ts";
import type { DaemonStatus, PublicationStatus } from "../wire/daemon-status.ts";
import type { Follower } from "./follower.ts";

export interface StatusInput {
  readonly identity: DaemonStatus["daemon"];
  readonly follower: Follower;
  readonly kernel: Kernel;
  /** Undefined where no gate answers. */
  readonly gatePid: () => Promise<number | undefined>;
}

/** Counters are read now; all else is as of the last round. */
export async function readStatus(input: StatusInput): Promise<DaemonStatus> {
  const { beliefs, upkeep, errors } = input.follower;
  const { decision, policyTexts } = beliefs;
  const desired = decision?.desired;
  const counts = await readCounts(input.kernel);
  const pid = await input.gatePid();
  return {
    daemon: input.identity,
    protection: upkeep.ownership ?? { mode: "unknown", reason: "the kernel was not asked yet" },
    ...(pid !== undefined && { gate: { pid } }),
    policy: {
      inForce: decision?.inForce ?? "none",
      files: policyTexts.map((text) => text.file),
      problems: decision?.problems ?? [],
      keptGuests: decision?.keptGuests ?? [],
    },
    errors,
    networks: (desired?.compiled.intent.networks ?? [])
      .map(({ name, mode, bridge, subnets }) => {
        return { name, mode, bridge, prefixes: subnets.map(formatPrefix) };
      })
      .toSorted(byName),
    guests: (desired?.compiled.guests ?? []).toSorted(byName),
    publications: (desired?.compiled.publications ?? [])
      .map((publication) => withConnections(publication, counts))
      .toSorted((a, b) => (a.guest < b.guest ? -1 : a.guest > b.guest ? 1 : 0)),
    integration: {
      mode: desired?.policy.host.integration ?? "off",
      chains: upkeep.passRules,
    },
    gaps: { tables: upkeep.gaps.tables.gap, passRules: upkeep.gaps.passRules.gap },
  };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Undefined where the kernel does not say. Only the first packet of a connection is counted. */
async function readCounts(kernel: Kernel): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const counts = await kernel.readCounters();
    return new Map(counts.map(({ set, key, packets }) => [`${set} ${key}`, packets]));
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

function withConnections(
  publication: PublicationState,
  counts: ReadonlyMap<string, number> | undefined,
): PublicationStatus {
  if (!counts) return publication;
  const keys = publication.targets.flatMap((target) =>
    target.counters.map(({ set, key }) => `${set} ${key}`),
  );
  const connections = [...new Set(keys)].reduce((sum, key) => sum + (counts.get(key) ?? 0), 0);
  return { ...publication, connections };
}

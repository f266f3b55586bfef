import { askParts } from "../edge/socket/daemon-client.ts";
import type { Knowledge } from "../explain/knowledge.ts";
import type { KnownNic } from "../explain/read-host.ts";
import type { GuestState, NicState } from "../model/state.ts";
import { SourceError } from "../ports/sources.ts";
import type { PublishedPorts } from "../wire/daemon-status.ts";
import { UndecidedError } from "./exit-status.ts";
import { knownNic } from "./ground.ts";
import type { Settings } from "./settings.ts";

export interface ReadKnowledge extends Knowledge {
  /** Those of policy and inventory, whether they run or not. */
  readonly guests: readonly string[];
  /** Why nothing of all this is known. */
  readonly unread?: string;
}

const partsToAsk = ["policy", "networks", "guests", "published", "integration"] as const;
const nothing: ReadKnowledge = { nics: [], integration: "auto", publications: [], guests: [] };

/**
 * From the daemon, which has it at hand, or from what is written. Without libvirt, or with a policy that has errors, the tables of the
 * kernel have to do, unless a guest is asked for by name.
 */
export async function readKnowledge(settings: Settings, isNeeded: boolean): Promise<ReadKnowledge> {
  const told = await askParts(settings.daemonSocket, ...partsToAsk);
  if (told !== undefined && /^(current|last-good)$/.test(told.policy.inForce)) {
    return knowledgeOf({ ...told, integration: told.integration.mode });
  }
  try {
    return await readWritten(settings);
  } catch (error) {
    if (isNeeded) throw error;
    if (error instanceof UndecidedError) return { ...nothing, unread: error.message };
    if (!(error instanceof SourceError)) throw error;
    return { ...nothing, unread: `guests are not known: ${error.message}` };
  }
}

async function readWritten(settings: Settings): Promise<ReadKnowledge> {
  // Loaded where it is needed: what parses a policy takes a tenth of a second to start.
  const { collect, demandDesired } = await import("./collect.ts");
  const { decision } = await collect(settings);
  const { policy, compiled } = demandDesired(decision);
  const { integration } = policy.host;
  const { guests, publications: published, intent } = compiled;
  const known = knowledgeOf({ guests, published, networks: intent.networks, integration });
  return { ...known, guests: [...policy.guests.keys(), ...known.guests] };
}

interface Facts {
  readonly networks: readonly {
    readonly name: string;
    readonly mode: string;
    readonly bridge: string;
  }[];
  readonly guests: readonly GuestState[];
  readonly published: readonly PublishedPorts[];
  readonly integration: Knowledge["integration"];
}

function knowledgeOf({ networks, guests, published, integration }: Facts): ReadKnowledge {
  const byBridge = new Map(networks.map((network) => [network.bridge, network]));
  return {
    nics: guests.flatMap((guest) =>
      guest.nics.map((nic) => describe(guest, nic, byBridge.get(nic.bridge ?? ""))),
    ),
    integration,
    publications: published.map(
      ({ guest, protocol, address, public: { first, last }, reason }) => ({
        guest,
        protocol,
        first,
        last,
        ...(address !== undefined && { address }),
        ...(reason !== undefined && { reason }),
      }),
    ),
    guests: [...guests.map(({ name }) => name), ...published.map(({ guest }) => guest)],
  };
}

function describe(
  { name, groups }: GuestState,
  nic: NicState,
  network: Facts["networks"][number] | undefined,
): KnownNic {
  return {
    ...knownNic({ ...nic, guest: name }),
    groups,
    ...(nic.filter !== undefined && { filter: nic.filter.name }),
    ...(network !== undefined && {
      network: network.name,
      isRouted: network.mode !== "nat" && network.mode !== "isolated",
    }),
  };
}

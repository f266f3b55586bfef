import { askDaemon } from "../edge/socket/daemon-client.ts";
import type { Knowledge } from "../explain/knowledge.ts";
import type { KnownNic } from "../explain/read-host.ts";
import type { GuestState, NicState, PublicationState } from "../model/state.ts";
import { SourceError } from "../ports/sources.ts";
import { collect } from "./collect.ts";
import { knownNic } from "./ground.ts";
import type { Settings } from "./settings.ts";

export interface ReadKnowledge extends Knowledge {
  /** Those of policy and inventory, whether they run or not. */
  readonly guests: readonly string[];
}

const nothing: ReadKnowledge = { nics: [], integration: "auto", publications: [], guests: [] };

/**
 * From the daemon, which has it at hand, or from what is written. Without libvirt the tables of the kernel have to do, unless a guest
 * is asked for by name.
 */
export async function readKnowledge(settings: Settings, isNeeded: boolean): Promise<ReadKnowledge> {
  const reply = await askDaemon(settings.daemonSocket, { request: "status" });
  if (reply?.kind === "status" && /^(current|last-good)$/.test(reply.status.policy.inForce)) {
    const { status } = reply;
    return knowledgeOf({ ...status, integration: status.integration.mode });
  }
  try {
    return await readWritten(settings);
  } catch (error) {
    if (isNeeded || !(error instanceof SourceError)) throw error;
    return nothing;
  }
}

async function readWritten(settings: Settings): Promise<ReadKnowledge> {
  const { desired } = (await collect(settings)).decision;
  if (desired === undefined) return nothing;
  const { policy, compiled } = desired;
  const { integration } = policy.host;
  const known = knowledgeOf({ ...compiled, networks: compiled.intent.networks, integration });
  return { ...known, guests: [...policy.guests.keys(), ...known.guests] };
}

interface Facts {
  readonly networks: readonly {
    readonly name: string;
    readonly mode: string;
    readonly bridge: string;
  }[];
  readonly guests: readonly GuestState[];
  readonly publications: readonly PublicationState[];
  readonly integration: Knowledge["integration"];
}

function knowledgeOf({ networks, guests, publications, integration }: Facts): ReadKnowledge {
  const byBridge = new Map(networks.map((network) => [network.bridge, network]));
  return {
    nics: guests.flatMap((guest) =>
      guest.nics.map((nic) => describe(guest, nic, byBridge.get(nic.bridge ?? ""))),
    ),
    integration,
    publications: publications.map(({ guest, protocol, public: { first, last }, reason }) => ({
      guest,
      protocol,
      first,
      last,
      ...(reason !== undefined && { reason }),
    })),
    guests: [...guests.map(({ name }) => name), ...publications.map(({ guest }) => guest)],
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

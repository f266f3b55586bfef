import type { Knowledge } from "../explain/knowledge.ts";
import type { KnownNic } from "../explain/read-host.ts";
import type { NetworkIntent, NicIntent } from "../model/intent.ts";
import { SourceError } from "../ports/sources.ts";
import type { Decision } from "../reconcile/decide.ts";
import { collect } from "./collect.ts";
import { knownNic } from "./ground.ts";
import type { Settings } from "./settings.ts";

export interface ReadKnowledge extends Knowledge {
  /** Those of policy and inventory, whether they run or not. */
  readonly guests: readonly string[];
}

const nothing: ReadKnowledge = { nics: [], integration: "auto", publications: [], guests: [] };

/** Without libvirt the tables of the kernel have to do, unless a guest is asked for by name. */
export async function readKnowledge(settings: Settings, isNeeded: boolean): Promise<ReadKnowledge> {
  try {
    return knowledgeOf((await collect(settings)).decision);
  } catch (error) {
    if (isNeeded || !(error instanceof SourceError)) throw error;
    return nothing;
  }
}

function knowledgeOf({ desired }: Decision): ReadKnowledge {
  if (desired === undefined) return nothing;
  const { policy, inventory, compiled } = desired;
  const networks = new Map(compiled.intent.networks.map((each) => [each.bridge as string, each]));
  return {
    nics: compiled.intent.nics.map((nic) => describe(nic, networks.get(nic.bridge ?? ""))),
    integration: policy.host.integration,
    publications: compiled.publications.map(
      ({ guest, protocol, public: { first, last }, reason }) => ({
        guest,
        protocol,
        first,
        last,
        ...(reason !== undefined && { reason }),
      }),
    ),
    guests: [...policy.guests.keys(), ...inventory.guests.map(({ name }) => name)],
  };
}

function describe(nic: NicIntent, network: NetworkIntent | undefined): KnownNic {
  return {
    ...knownNic(nic),
    groups: nic.groups,
    ...(nic.filter !== undefined && { filter: nic.filter.filter }),
    ...(network !== undefined && {
      network: network.name,
      isRouted: network.mode !== "nat" && network.mode !== "isolated",
    }),
  };
}

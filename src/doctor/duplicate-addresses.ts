import type { Mac } from "../base/mac.ts";
import { quote } from "../base/quote.ts";
import type { NicIntent } from "../model/intent.ts";
import { placeText } from "../model/problem-text.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { uplinksOf } from "./routed-networks.ts";

/** One address, or one hardware address, and two who have it. */
export const duplicateAddresses: Examination<Names> = {
  id: "duplicate-addresses",
  needs: ["links", "neighbours", "desired", "problems"],
  examine: (facts) => [
    ...ofWhatIsWritten(facts),
    ...ofHost(facts),
    ...ofNeighbours(facts),
    ...ofPublished(facts),
  ],
};

type Names = "links" | "neighbours" | "desired" | "problems";

const codes: ReadonlySet<string> = new Set([
  "ADDRESS_CLAIMED_TWICE",
  "ADDRESS_OF_HOST",
  "DUPLICATE_MAC",
  "DUPLICATE_TAP",
]);

function ofWhatIsWritten({ problems }: Pick<Facts, Names>): readonly Finding[] {
  return problems
    .filter(({ code }) => codes.has(code))
    .map(({ code, severity, message, at, hint }) => ({
      severity,
      message,
      evidence: [`${code} at ${placeText(at)}`],
      fix: { text: hint ?? "give one of the two another one" },
    }));
}

function ofHost({ links, desired }: Pick<Facts, Names>): readonly Finding[] {
  const nics = nicsByAddress(desired);
  return links.flatMap(({ name, addresses }) =>
    addresses.flatMap(({ address }): Finding[] => {
      const nic = nics.get(address);
      if (nic === undefined) return [];
      return [
        {
          severity: "error",
          message: `the host itself has ${address}, the address of ${nameOf(nic)}`,
          evidence: [`ip address show ${name}: ${address}`],
          fix: {
            text: `give the guest another address, or: ip address del ${address} dev ${name}`,
          },
        },
      ];
    }),
  );
}

function ofNeighbours({ neighbours, desired }: Pick<Facts, Names>): readonly Finding[] {
  const nics = nicsByAddress(desired);
  const macs = new Map(desired.compiled.intent.nics.map((nic) => [nic.mac, nic]));
  return neighbours.flatMap(({ bridge, mac, address }): Finding[] => {
    const nic = nics.get(address);
    if (nic === undefined || nic.bridge !== bridge || nic.mac === mac) return [];
    const other = macs.get(mac);
    return [
      {
        severity: "error",
        message: `${address} is of ${nameOf(nic)}, and ${other ? nameOf(other) : "somebody else"} answers for it`,
        evidence: [`ip neigh show dev ${bridge}: ${address} has ${mac}, the nic is ${nic.mac}`],
        fix: { text: `give ${other ? nameOf(other) : `the machine with ${mac}`} another address` },
      },
    ];
  });
}

/** A published address that another machine behind the uplink has. */
function ofPublished({ neighbours, desired }: Pick<Facts, Names>): readonly Finding[] {
  const uplinks = uplinksOf(desired);
  const published = new Set(
    desired.compiled.intent.publications.map(({ address }): string => address),
  );
  return neighbours
    .filter(({ bridge, address }) => uplinks.includes(bridge) && published.has(address))
    .map(({ bridge, mac, address }) => ({
      severity: "error",
      message: `${address} is published here, and another machine behind ${bridge} has it`,
      evidence: [`ip neigh show dev ${bridge}: ${address} has ${mac}`],
      fix: { text: `take ${address} from the machine with ${mac}, or publish another one` },
    }));
}

function nicsByAddress({ compiled }: Facts["desired"]): ReadonlyMap<string, NicIntent> {
  return new Map(
    compiled.intent.nics.flatMap((nic) =>
      nic.addresses.map(({ address }): [string, NicIntent] => [address, nic]),
    ),
  );
}

function nameOf({ guest, mac }: { guest: string; mac: Mac }): string {
  return `nic ${mac} of guest ${quote(guest)}`;
}

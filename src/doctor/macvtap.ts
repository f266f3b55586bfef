import { quote } from "../base/quote.ts";
import type { Guest, LowerDevice, Nic } from "../model/inventory.ts";
import type { Examination, Finding } from "./examination.ts";
import type { Facts } from "./facts.ts";

/**
 * The kernel hands a frame of a macvtap on to the wire or to another macvtap, never up to the host that has its own address on the same
 * interface (macvlan.c). Where the guest has a nic on a bridge too, that is how they talk.
 */
export const macvtap: Examination<"links" | "desired"> = {
  id: "macvtap",
  needs: ["links", "desired"],
  examine: ({ links, desired }) =>
    desired.inventory.guests
      .filter(({ nics }) => nics.every(({ tap }) => tap === undefined))
      .flatMap((guest) => guest.nics.flatMap((nic) => finding(guest, nic, links))),
};

function finding({ name }: Guest, { mac, lower, at }: Nic, links: Facts["links"]): Finding[] {
  // With `passthrough` the guest has the whole interface, and the host wants nothing of it.
  if (lower === undefined || lower.mode === "passthrough") return [];
  const addresses = links.find((link) => link.name === lower.device)?.addresses ?? [];
  if (addresses.length === 0) return [];
  const { mode = "vepa" } = lower;
  return [
    {
      severity: "warning",
      message: `the host and guest ${quote(name)} do not hear each other: its nic ${mac} is a macvtap on ${lower.device}${mayReflect(lower)}`,
      evidence: [
        `<source dev='${lower.device}' mode='${mode}'/> at ${at.file}:${at.line}`,
        `ip address show ${lower.device}: ${addresses.map(({ address }) => address).join(", ")}`,
      ],
      fix: {
        text: `put ${lower.device} into a bridge and the nic on that, or give the guest a second nic on a network of libvirt's`,
      },
    },
  ];
}

/** Switches with 802.1Qbg send back what came to them by the same port. */
function mayReflect({ mode = "vepa" }: LowerDevice): string {
  return mode === "vepa" ? ", unless the switch sends frames back" : "";
}

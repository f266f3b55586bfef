import { familyOf } from "../base/address.ts";
import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { PlacedNic } from "../model/placed-guests.ts";
import type { GuestLaw } from "./law.ts";

/** A publication leads to an address behind this host, of the public address's family. */
export const publishableGuests: GuestLaw = ({ guest, written, nics }) => {
  const publish = written?.publish ?? [];
  if (publish.length === 0) return [];
  if (isBridgedOnly(nics)) {
    return publish.map(({ at }) =>
      breach("warning", "PUBLISH_ON_BRIDGED", {
        at,
        message: `guest ${quote(guest.name)} stands on a bridge with the outside and has its own address there`,
        hint: "remove the publication: clients reach the guest's own address",
      }),
    );
  }
  const known = nics.flatMap(({ addresses }) => addresses);
  const families = new Set(known.map(({ address }) => familyOf(address)));
  if (families.size === 0) return [];
  return publish.flatMap(({ address, at }) => {
    if (address === undefined || families.has(familyOf(address))) return [];
    const message = `${address} cannot lead to guest ${quote(guest.name)}: no IPv${familyOf(address)} address of it is known`;
    const hint = "give the nic an 'address' of that family";
    return breach("warning", "PUBLISH_FAMILY", { at, message, hint });
  });
};

function isBridgedOnly(nics: readonly PlacedNic[]): boolean {
  const attached = nics.filter(({ nic }) => nic.tap !== undefined);
  return attached.length > 0 && attached.every(isBridged);
}

function isBridged({ nic, network }: PlacedNic): boolean {
  if (network !== undefined) return network.forward === "bridge";
  // A nic of a network that does not run now says nothing of where that one leads.
  return nic.network === undefined && nic.bridge !== undefined;
}

import type { PublicationState } from "../model/state.ts";
import type { Forward } from "./forward.ts";

/** The forwards that no publication makes, so that nobody would once their script is gone. */
export function unpublished(
  forwards: readonly Forward[],
  publications: readonly PublicationState[],
): readonly Forward[] {
  return forwards.filter((forward) => !publications.some((one) => makes(one, forward)));
}

function makes(publication: PublicationState, forward: Forward): boolean {
  const { guest, protocol, address, guestPorts, targets } = publication;
  const isGuest =
    forward.guest === undefined
      ? targets.some(({ guestAddress }) => guestAddress === forward.guestAddress)
      : guest === forward.guest;
  return (
    isGuest &&
    protocol === forward.protocol &&
    (address === undefined || address === forward.address) &&
    publication.public.first <= forward.public.first &&
    forward.public.last <= publication.public.last &&
    guestPorts.first - publication.public.first === forward.guestPorts.first - forward.public.first
  );
}

import { familyOf, type Address } from "../base/address.ts";
import { formatPortRange } from "../base/port.ts";
import { quote } from "../base/quote.ts";
import type { PublicationState } from "../model/state.ts";
import type { Listener } from "../ports/host-facts.ts";
import type { Examination, Finding } from "./examination.ts";
import { uplinksOf } from "./routed-networks.ts";
import { shellWord } from "../base/shell-word.ts";

/** A publication takes a port on which a program of the host itself waits: from outside only the guest is reached. */
export const publishedPorts: Examination<"listeners" | "desired"> = {
  id: "published-ports",
  needs: ["listeners", "desired"],
  examine({ listeners, desired }) {
    const uplinks = uplinksOf(desired);
    const outside = listeners.filter(
      ({ device }) => device === undefined || uplinks.includes(device),
    );
    return desired.compiled.publications.flatMap((publication) => {
      const shadowed = outside.filter((listener) => takes(publication, listener));
      return shadowed.length === 0 ? [] : [finding(publication, shadowed)];
    });
  },
};

function takes(
  { protocol, public: ports, targets }: PublicationState,
  listener: Listener,
): boolean {
  return (
    listener.protocol === protocol &&
    ports.first <= listener.port &&
    listener.port <= ports.last &&
    targets.some(({ address }) => hears(listener, address))
  );
}

function hears(listener: Listener, address: Address): boolean {
  return listener.address === undefined
    ? listener.families.includes(familyOf(address))
    : listener.address === address;
}

function finding(publication: PublicationState, shadowed: readonly Listener[]): Finding {
  const { guest, protocol, public: ports, writtenIn } = publication;
  const port = `${protocol}/${formatPortRange(ports)}`;
  return {
    severity: "warning",
    message: `the host itself serves ${port}, which is published for ${quote(guest)}: nobody outside reaches the host's service`,
    evidence: shadowed.map(listenerText),
    fix: {
      text: `let the service use another port, or: virtwall publish remove ${shellWord(guest)} ${port}${writtenIn === "guest" ? " --in-guest" : ""}`,
    },
  };
}

function listenerText({ protocol, address, port, program = "a program" }: Listener): string {
  const host = address?.includes(":") ? `[${address}]` : (address ?? "*");
  return `${program} at ${protocol} ${host}:${port}`;
}

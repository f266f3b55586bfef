import { familyOf, formatPrefix, type Family } from "../base/address.ts";
import { formatPortRange, type PortRange } from "../base/port.ts";
import type { GuestState, NicState } from "../model/state.ts";
import type { Forward, Found, NotCarried } from "./forward.ts";

export interface ImportPlan {
  /** A policy file; empty where there is nothing to publish. */
  readonly policy: string;
  readonly notCarried: readonly NotCarried[];
}

export interface ImportSite {
  /** Guests that run, and where each is found now. */
  readonly guests: readonly GuestState[];
  readonly uplinks: readonly string[];
}

/** What was found, by guest: a policy that publishes the same, and what of it no policy here can say. */
export function planImport(found: readonly Found[], site: ImportSite): ImportPlan {
  const notCarried = found.flatMap((one) => one.notCarried);
  const guests = new Map<string, Forward[]>();
  for (const forward of found.flatMap(({ forwards }) => forwards)) {
    const guest = guestOf(forward, site);
    if ("reason" in guest) {
      notCarried.push({ at: forward.at, what: describe(forward), reason: guest.reason });
    } else guests.set(guest.name, [...(guests.get(guest.name) ?? []), forward]);
  }
  const names = [...guests.keys()].toSorted();
  const body = names.flatMap((name) => printGuest(name, guests.get(name) ?? [], site));
  const places = notCarried.toSorted(
    (a, b) =>
      Number(a.at.file > b.at.file) - Number(a.at.file < b.at.file) || a.at.line - b.at.line,
  );
  return {
    policy: body.length === 0 ? "" : ["guests:", ...body, ""].join("\n"),
    notCarried: places,
  };
}

function guestOf(
  forward: Forward,
  { guests, uplinks }: ImportSite,
): { readonly name: string } | { readonly reason: string } {
  if (forward.interface !== undefined && !uplinks.includes(forward.interface)) {
    return { reason: `it is for what comes by ${forward.interface}, which is no uplink` };
  }
  // Its address may be another's by now.
  if (forward.guest !== undefined) return { name: forward.guest };
  const found = guests.find((guest) => knows(guest, forward));
  if (found) return { name: found.name };
  return { reason: `no running guest has ${forward.guestAddress}: start it, or name it by hand` };
}

function knows(guest: GuestState, { guestAddress }: Forward): boolean {
  return guest.nics.some(({ addresses }) =>
    addresses.some(({ address }) => address === guestAddress),
  );
}

function printGuest(name: string, forwards: readonly Forward[], site: ImportSite): string[] {
  const entries = new Map<string, Set<string>>();
  for (const { address, from, protocol, ...ports } of forwards) {
    const where = address === undefined ? "" : `address: ${JSON.stringify(address)}, `;
    const who = from === undefined ? "" : `, from: [${JSON.stringify(formatPrefix(from))}]`;
    const key = JSON.stringify([where, who]);
    const mapping = formatPorts(ports.public, ports.guestPorts);
    entries.set(key, (entries.get(key) ?? new Set()).add(`${protocol}/${mapping}`));
  }
  const lines = [...entries].map(([key, ports]) => {
    const [where, who] = JSON.parse(key) as [string, string];
    const list = [...ports].map((one) => JSON.stringify(one)).join(", ");
    return `      - { ${where}ports: [${list}]${who} }`;
  });
  return [
    `  ${JSON.stringify(name)}:`,
    "    publish:",
    ...lines,
    ...printNics(name, forwards, site),
  ];
}

function formatPorts(open: PortRange, guest: PortRange): string {
  const [outside, inside] = [formatPortRange(open), formatPortRange(guest)];
  return outside === inside ? outside : `${outside}:${inside}`;
}

/**
 * Where nobody knows an address of that family, the guest has set it itself and policy has to say it. Where one is known it is the one
 * that counts, whatever the source says.
 */
function printNics(name: string, forwards: readonly Forward[], site: ImportSite): string[] {
  const guest = site.guests.find((one) => one.name === name);
  const [nic, ...others] = guest?.nics ?? [];
  if (guest === undefined || nic === undefined || others.length > 0) return [];
  const addresses = [...new Set(forwards.map(({ guestAddress }) => guestAddress))];
  const unknown = addresses.filter((address) => !hasFamily(nic, familyOf(address)));
  if (unknown.length === 0) return [];
  return [
    "    nics:",
    `      ${JSON.stringify(nic.mac)}: { address: [${unknown.map((one) => JSON.stringify(one)).join(", ")}] }`,
  ];
}

function hasFamily(nic: NicState, family: Family): boolean {
  return nic.addresses.some(({ address }) => familyOf(address) === family);
}

function describe({ protocol, guestAddress, ...ports }: Forward): string {
  return `${protocol}/${formatPorts(ports.public, ports.guestPorts)} to ${guestAddress}`;
}

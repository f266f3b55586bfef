import { distinctRanges, formatPortRange, parsePortRange, type PortRange } from "../base/port.ts";
import { quote } from "../base/quote.ts";
import type { PublicationState } from "../model/state.ts";
import type { Examination } from "./examination.ts";
import type { Facts } from "./facts.ts";
import { settingFix, settingText } from "./settings.ts";

const given = "net/ipv4/ip_local_port_range";
const reserved = "net/ipv4/ip_local_reserved_ports";

/**
 * The kernel gives a program that asks for any port one of a range, for both families. Where such a port of the host's own address is
 * published, whoever wants that program reaches a guest. What the program itself begins is tracked, and its answers come back to it.
 */
export const reservedPorts: Examination<"settings" | "links" | "desired"> = {
  id: "reserved-ports",
  needs: ["settings", "links", "desired"],
  examine({ settings, links, desired }) {
    const range = parsePortRange((settings.get(given) ?? "").trim().replace(/\s+/, "-"));
    if (range === undefined) return [];
    const kept = rangesOf(settings.get(reserved) ?? "");
    const free = desired.compiled.publications
      .filter((publication) => isOfHost(publication, links))
      .filter((publication) => isFree(publication.public, { range, kept }));
    if (free.length === 0) return [];
    const wanted = distinctRanges([...kept, ...free.map((publication) => publication.public)]);
    return [
      {
        severity: "warning",
        message: "programs of the host that take any port may be given one that is published",
        evidence: [
          settingText(settings, given),
          settingText(settings, reserved),
          ...free.map(publicationText),
        ],
        fix: settingFix([{ path: reserved, value: wanted.map(formatPortRange).join(",") }]),
      },
    ];
  },
};

function isOfHost({ targets }: PublicationState, links: Facts["links"]): boolean {
  const own = new Set(links.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
  return targets.some(({ address }) => own.has(address));
}

/** `8080,45000-45010` */
function rangesOf(text: string): readonly PortRange[] {
  return distinctRanges(text.split(",").flatMap((word) => parsePortRange(word) ?? []));
}

function isFree(
  ports: PortRange,
  { range, kept }: { readonly range: PortRange; readonly kept: readonly PortRange[] },
): boolean {
  const first = Math.max(ports.first, range.first);
  const last = Math.min(ports.last, range.last);
  return first <= last && !kept.some((each) => each.first <= first && last <= each.last);
}

function publicationText({ guest, protocol, public: ports }: PublicationState): string {
  return `${protocol}/${formatPortRange(ports)} is published for ${quote(guest)}`;
}

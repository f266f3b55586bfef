import { parsePortRange } from "../base/port.ts";
import { quote } from "../base/quote.ts";
import type { Place } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import { isRead, type Forward, type Found, type NotCarried, type Read } from "./forward.ts";
import { makeForwards } from "./make-forwards.ts";

/**
 * `hooks.json` of libvirt-hook-qemu 0.2.0: of each guest, or of each of its addresses, `private_ip`, `port_map`, `port_range`,
 * `public_ip`, `source_ip` and `interface`. The last is the guest's own bridge, which a publication follows by itself. Comments are those of
 * JavaScript, and its published example has a comma behind the last guest. Undefined for a text that holds no object.
 */
export function readHooksJson(source: SourceText): Found | undefined {
  const parsed = parseCommented(source);
  if ("fault" in parsed) return { forwards: [], notCarried: [parsed.fault] };
  if (!isRecord(parsed.value)) return undefined;
  const forwards: Forward[] = [];
  const notCarried: NotCarried[] = [];
  for (const [guest, entry] of Object.entries(parsed.value)) {
    const at = placeOf(source, source.text.indexOf(JSON.stringify(guest)));
    for (const one of listOf(entry)) {
      const found = readEntry(guest, one, at);
      forwards.push(...found.forwards);
      notCarried.push(...found.notCarried);
    }
  }
  return { forwards, notCarried };
}

const known: ReadonlySet<string> = new Set([
  "interface",
  "private_ip",
  "public_ip",
  "source_ip",
  "port_map",
  "port_range",
]);

function readEntry(guest: string, entry: unknown, at: Place): Found {
  const leave = (what: string, reason: string) => ({ at, what: `${guest}: ${what}`, reason });
  if (!isRecord(entry)) {
    return { forwards: [], notCarried: [leave(JSON.stringify(entry), "it is no guest's ports")] };
  }
  const forwards: Forward[] = [];
  const notCarried = Object.keys(entry)
    .filter((key) => !known.has(key))
    .map((key) => leave(quote(key), "libvirt-hook-qemu knows no such key"));
  for (const mapping of mappingsOf(entry)) {
    const read = makeRead(mapping, { at, guest, entry });
    if (isRead(read)) forwards.push(...read.value);
    else notCarried.push(leave(mapping.what, read.reason));
  }
  return { forwards, notCarried };
}

interface Owner {
  readonly at: Place;
  readonly guest: string;
  readonly entry: Readonly<Record<string, unknown>>;
}

function makeRead(mapping: Mapping, { at, guest, entry }: Owner): Read<readonly Forward[]> {
  if ("reason" in mapping) return mapping;
  const { protocol, ports, toPorts, from } = mapping;
  const bad = [ports, toPorts].find((text) => parsePortRange(text) === undefined);
  if (bad !== undefined) return { reason: `${bad} is no port or range of ports` };
  const host = textOf(entry["private_ip"]);
  if (host === "") return { reason: "it has no private_ip" };
  return makeForwards({
    at,
    guest,
    protocol,
    ports: [ports],
    destination: `${host.includes(":") ? `[${host}]` : host}:${toPorts}`,
    address: optional(entry["public_ip"]),
    from,
  });
}

type Mapping = { readonly what: string } & (
  | {
      readonly protocol: string;
      readonly ports: string;
      readonly toPorts: string;
      /** The program asks for the source of single ports only. */
      readonly from?: string | undefined;
    }
  | { readonly reason: string }
);

function mappingsOf(entry: Readonly<Record<string, unknown>>): readonly Mapping[] {
  const { port_map: map, port_range: ranges } = entry;
  const from = optional(entry["source_ip"]);
  const single = isRecord(map)
    ? Object.entries(map).flatMap(([protocol, list]) =>
        listOf(list).map((item) => mappingOf(protocol, item, from)),
      )
    : unread("port_map", map);
  const several = Array.isArray(ranges) ? ranges.map(rangeOf) : unread("port_range", ranges);
  return [...single, ...several];
}

function unread(key: string, value: unknown): readonly Mapping[] {
  const what = `${key} ${JSON.stringify(value)}`;
  return value === undefined ? [] : [{ what, reason: "it lists no ports" }];
}

/** `443`, or `[1100, 3000]` for the port outside and the guest's. */
function mappingOf(protocol: string, item: unknown, from: string | undefined): Mapping {
  const what = `port_map ${protocol} ${JSON.stringify(item)}`;
  const [ports = "", toPorts = ports, more] = listOf(item).map(textOf);
  if (more !== undefined) return { what, reason: "it is neither one port nor a pair" };
  return { what, protocol, ports, toPorts, from };
}

function rangeOf(range: unknown): Mapping {
  const what = `port_range ${JSON.stringify(range)}`;
  const [first, count] = isRecord(range)
    ? [range["init_port"], range["ports_num"]].map(Number)
    : [];
  if (!isRecord(range) || !Number.isInteger(first) || !Number.isInteger(count)) {
    return { what, reason: "it does not say init_port, ports_num and protocol" };
  }
  const ports = `${first}-${Number(first) + Number(count) - 1}`;
  return { what, protocol: textOf(range["protocol"]), ports, toPorts: ports };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [value];
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function optional(value: unknown): string | undefined {
  return value === undefined ? undefined : textOf(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is left out leaves room behind, so that the parser's places are those of the text. */
function parseCommented(
  source: SourceText,
): { readonly value: unknown } | { readonly fault: NotCarried } {
  const bare = source.text
    .replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[^]*?\*\//g, (all, text?: string) =>
      text === undefined ? all.replaceAll(/[^\n]/g, " ") : text,
    )
    .replaceAll(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, (_, text?: string) => text ?? " ");
  try {
    return { value: JSON.parse(bare) };
  } catch (error) {
    // V8 tells the place of some mistakes only.
    const position = /at position (\d+)/.exec((error as SyntaxError).message)?.[1] ?? 0;
    const at = placeOf(source, Number(position));
    return { fault: { at, what: "the whole file", reason: "it is no JSON from here on" } };
  }
}

function placeOf({ file, text }: SourceText, offset: number): Place {
  const before = text.slice(0, Math.max(offset, 0)).split("\n");
  return { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

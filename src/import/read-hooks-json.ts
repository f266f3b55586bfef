import type { SourceText } from "../model/source-text.ts";
import { isRead, type Forward, type Found, type NotCarried } from "./forward.ts";
import { makeForwards } from "./make-forwards.ts";

/** `hooks.json` of libvirt-hook-qemu, whose comments are those of JavaScript. Undefined for a text that is none. */
export function readHooksJson(source: SourceText): Found | undefined {
  const guests = parseCommented(source.text);
  if (!isRecord(guests)) return undefined;
  const forwards: Forward[] = [];
  const notCarried: NotCarried[] = [];
  for (const [guest, entry] of Object.entries(guests)) {
    const at = placeOf(source, guest);
    for (const one of Array.isArray(entry) ? (entry as readonly unknown[]) : [entry]) {
      if (!isRecord(one)) continue;
      for (const { protocol, ports, toPorts, what, from } of mappingsOf(one)) {
        const address = textOf(one["private_ip"]);
        const host = address.includes(":") ? `[${address}]` : address;
        const read = makeForwards({
          at,
          guest,
          protocol,
          ports: [ports],
          destination: `${host}:${toPorts}`,
          address: optional(one["public_ip"]),
          from,
        });
        if (isRead(read)) forwards.push(...read.value);
        else notCarried.push({ at, what: `${guest}: ${what}`, reason: read.reason });
      }
    }
  }
  return { forwards, notCarried };
}

interface Mapping {
  readonly protocol: string;
  readonly ports: string;
  readonly toPorts: string;
  readonly what: string;
  /** The program asks for the source of single ports only (version 0.2.0). */
  readonly from?: string | undefined;
}

function mappingsOf(entry: Readonly<Record<string, unknown>>): readonly Mapping[] {
  const maps = isRecord(entry["port_map"]) ? Object.entries(entry["port_map"]) : [];
  const single = maps.flatMap(([protocol, list]) =>
    listOf(list).map((item) => {
      const [ports, toPorts = ports] = listOf(item).map(textOf);
      const what = `port_map ${protocol} ${JSON.stringify(item)}`;
      const from = optional(entry["source_ip"]);
      return { protocol, ports: ports ?? "", toPorts: toPorts ?? "", what, from };
    }),
  );
  const ranges = listOf(entry["port_range"])
    .filter(isRecord)
    .map((range) => {
      const first = Number(range["init_port"]);
      const ports = `${first}-${first + Number(range["ports_num"]) - 1}`;
      const what = `port_range ${JSON.stringify(range)}`;
      return { protocol: textOf(range["protocol"]), ports, toPorts: ports, what };
    });
  return [...single, ...ranges];
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  return value === undefined ? [] : [value];
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

function parseCommented(text: string): unknown {
  const bare = text.replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[^]*?\*\//g, "$1");
  try {
    return JSON.parse(bare);
  } catch {
    return undefined;
  }
}

function placeOf({ file, text }: SourceText, guest: string): Forward["at"] {
  const offset = Math.max(text.indexOf(JSON.stringify(guest)), 0);
  const before = text.slice(0, offset).split("\n");
  return { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

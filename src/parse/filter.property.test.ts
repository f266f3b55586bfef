import fc from "fast-check";
import { expect, test } from "vitest";
import { filterProtocols, type AttributeType } from "../model/filter-protocols.ts";
import { parseFilterXml } from "./filter-xml.ts";
import { printFilterXml } from "./print-filter.ts";
import type { Filter } from "../model/filter.ts";

function read(text: string, isCompat: boolean) {
  return parseFilterXml({ file: "f.xml", text }, { isCompat });
}

/** Without its places, which are another text's, and without the order of parameters, which means nothing. */
function meaning(filter: Filter | undefined): unknown {
  return JSON.parse(
    JSON.stringify(filter, (key, value: unknown) => {
      if (key === "at") return undefined;
      return value instanceof Map ? Object.fromEntries(sorted(value)) : value;
    }),
  );
}

function sorted(map: ReadonlyMap<string, unknown>) {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function escape(text: string): string {
  return text.replace(/[&<>'"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

const byte = fc.integer({ min: 0, max: 255 });
const mac = fc
  .array(byte, { minLength: 6, maxLength: 6 })
  .map((bytes) => bytes.map((each) => each.toString(16)).join(":"));
const listOf = (...words: readonly string[]) =>
  fc.subarray([...words], { minLength: 1 }).map((some) => some.join(","));
const tcpFlags = fc.oneof(listOf("SYN", "ack", "FIN", "RST", "URG", "PSH"), fc.constant("ALL"));

const values: Record<AttributeType["kind"], fc.Arbitrary<string>> = {
  number: fc.oneof(
    byte.map(String),
    fc.integer({ min: 0, max: 0x1ffff }).map((value) => `0x${value.toString(16)}`),
    fc.constantFrom("ff", " 7", "Request", "ipv4", "TCP", "icmpv6", "udp", "6", "58"),
  ),
  mac,
  "mac-mask": fc.constantFrom("ff:ff:ff:0:0:0", "FF:FE:0:0:0:0", "0:0:0:0:0:0"),
  ipv4: fc.ipV4(),
  "ipv4-mask": fc.constantFrom("0", "24", "32", "255.255.240.0"),
  ipv6: fc.ipV6(),
  "ipv6-mask": fc.constantFrom("0", "64", "128", "ffff:fffe::"),
  boolean: fc.constantFrom("true", "yes", "0", "on"),
  state: fc.oneof(listOf("NEW", "established", "RELATED"), fc.constantFrom("NONE", "NEW,none")),
  "tcp-flags": fc.tuple(tcpFlags, tcpFlags).map((both) => both.join("/")),
  "ipset-name": fc.constantFrom("a", "a+b c:d"),
  "ipset-flags": listOf("src", "DST"),
};

const variable = fc
  .tuple(fc.constantFrom("A", "IP", "_1"), fc.constantFrom("", "[0]", "[@0]", "[ @3 ]", "[7]"))
  .map(([name, access]) => `$${name}${access}`);

function element(name: string, attributes: ReadonlyMap<string, AttributeType>) {
  const written = [...attributes].map(([attribute, { kind }]) =>
    fc
      .option(
        fc.oneof({ weight: 4, arbitrary: values[kind] }, { weight: 1, arbitrary: variable }),
        {
          freq: 2,
          nil: undefined,
        },
      )
      .map((value) => (value === undefined ? "" : ` ${attribute}='${escape(value)}'`)),
  );
  const sparse = fc
    .subarray(written, { maxLength: Math.min(6, written.length) })
    .chain((some) => fc.tuple(...some));
  const comment = fc.option(fc.string({ unit: "grapheme", maxLength: 300 }));
  return fc
    .tuple(fc.constantFrom("", " match='no'", " match='yes'"), sparse, comment)
    .map(([match, words, text]) => {
      const said = text === null ? "" : ` comment='${escape(text)}'`;
      return `<${name}${match}${words.join("")}${said}/>`;
    });
}

const details = fc
  .constantFrom(...filterProtocols)
  .chain(([name, { attributes }]) => fc.array(element(name, attributes), { maxLength: 3 }))
  .map((elements) => elements.join(""));

const rule = fc
  .record({
    action: fc.constantFrom("accept", "drop", "reject", "return", "continue"),
    direction: fc.constantFrom("in", "out", "inout"),
    priority: fc.option(fc.integer({ min: -1010, max: 1010 })),
    statematch: fc.option(fc.constantFrom("false", "0", "TRUE", "no")),
    inside: details,
  })
  .map(({ inside, ...attributes }) => {
    const words = Object.entries(attributes).flatMap(([name, value]) =>
      value === null ? [] : [` ${name}='${value}'`],
    );
    return `<rule${words.join("")}>${inside}</rule>`;
  });

const parameter = fc
  .tuple(fc.constantFrom("IP", "B", "b-c"), fc.constantFrom("192.0.2.1", "::1", "10.0.0.0/8"))
  .map(([name, value]) => `<parameter name='${name}' value='${value}'/>`);
const reference = fc
  .tuple(fc.string({ unit: "grapheme", minLength: 1 }), fc.array(parameter, { maxLength: 3 }))
  .map(([name, inside]) => `<filterref filter='${escape(name)}'>${inside.join("")}</filterref>`);

const filterText = fc
  .record({
    chain: fc.constantFrom("", " chain='root'", " chain='ipv4-x'", " chain='stp'"),
    priority: fc.option(fc.integer({ min: -1000, max: 1000 })),
    entries: fc.array(
      fc.oneof({ weight: 4, arbitrary: rule }, { weight: 1, arbitrary: reference }),
      {
        maxLength: 4,
      },
    ),
  })
  .map(({ chain, priority, entries }) => {
    const place = priority === null ? "" : ` priority='${priority}'`;
    return `<filter name='f'${chain}${place}>${entries.join("\n")}</filter>`;
  });

test("what libvirt's reading makes of a text is printed without a word that is misread, and read back as it is", () => {
  let read1 = 0;
  fc.assert(
    fc.property(filterText, (text) => {
      const { filter } = read(text, true);
      if (filter === undefined) return;
      read1 += 1;
      const printed = printFilterXml(filter);
      const again = read(printed, false);
      expect(again.problems).toEqual([]);
      expect(meaning(again.filter)).toEqual(meaning(filter));
      expect(printFilterXml(filter)).toBe(printed);
    }),
    { numRuns: 2000 },
  );
  expect(read1).toBeGreaterThan(500);
});

test("a text that is read strictly means the same to libvirt's reading", () => {
  fc.assert(
    fc.property(filterText, (text) => {
      const strict = read(text, false);
      if (strict.filter !== undefined) expect(read(text, true)).toEqual(strict);
      else expect(strict.problems.some(({ severity }) => severity === "error")).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test("no text makes the reader throw, and every problem has a place in it", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.tuple(filterText, fc.nat(), fc.nat(), fc.string()).map(([text, start, length, inside]) => {
      const from = start % text.length;
      return text.slice(0, from) + inside + text.slice(from + (length % 20));
    }),
  );
  fc.assert(
    fc.property(hostile, fc.boolean(), (text, isCompat) => {
      const { filter, problems } = read(text, isCompat);
      const lines = text.split(/\r\n?|\n/);
      for (const { at } of problems) {
        expect(at.line).toBeGreaterThan(0);
        expect(at.line).toBeLessThanOrEqual(lines.length);
      }
      expect(filter === undefined).toBe(problems.some(({ severity }) => severity === "error"));
      if (filter !== undefined) printFilterXml(filter);
    }),
    { numRuns: 2000 },
  );
});

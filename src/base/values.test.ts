import { describe, expect, test } from "vitest";
import { defined } from "./defined.ts";
import { parseInterfaceName } from "./interface-name.ts";
import { parseMac } from "./mac.ts";
import { editDistance, nearest } from "./nearest.ts";
import { formatPortRange, parsePortRange } from "./port.ts";
import { escapeControls, quote } from "./quote.ts";

describe("parseInterfaceName", () => {
  test.each(["eth0", "virbr0", "br-1a2b3c", "my.tap+1", "wg@x", "exactly15chars."])(
    "takes %s",
    (text) => {
      expect(parseInterfaceName(text)).toBe(text);
    },
  );

  test.each([
    "",
    ".",
    "..",
    'a"b',
    "a b",
    "eth*",
    "a/b",
    "a:b",
    "é",
    "a\n",
    "a\0",
    "sixteen-letters-",
  ])("refuses %j", (text) => {
    expect(parseInterfaceName(text)).toBeUndefined();
  });
});

describe("parseMac", () => {
  test("writes letters small", () => {
    expect(parseMac("52:54:00:AB:CD:EF")).toBe("52:54:00:ab:cd:ef");
  });

  test.each([
    "",
    "52:54:00:ab:cd",
    "52-54-00-ab-cd-ef",
    "52:54:00:ab:cd:eg",
    "52:54:00:ab:cd:ef\n",
  ])("refuses %j", (text) => {
    expect(parseMac(text)).toBeUndefined();
  });
});

describe("parsePortRange", () => {
  test.each([
    ["1", 1, 1],
    ["65535", 65535, 65535],
    ["80-80", 80, 80],
    ["5000-5010", 5000, 5010],
  ])("reads %s", (text, first, last) => {
    expect(parsePortRange(text)).toEqual({ first, last });
  });

  test.each(["", "0", "65536", "80-79", "080", "-1", "1-", "1-2-3", "http", " 80", "8e1", "99999"])(
    "refuses %j",
    (text) => {
      expect(parsePortRange(text)).toBeUndefined();
    },
  );

  test("writes a single port without a dash", () => {
    expect(formatPortRange({ first: 80, last: 80 })).toBe("80");
    expect(formatPortRange({ first: 80, last: 81 })).toBe("80-81");
  });
});

describe("nearest", () => {
  test.each([
    ["pubish", ["groups", "publish"], "publish"],
    ["Publish", ["publish"], "publish"],
    ["form", ["from", "ports"], "from"],
    ["nta", ["nat", "open"], "nat"],
    ["xyz", ["nat"], undefined],
    ["groups", [], undefined],
    ["a".repeat(10_000_000), ["a"], undefined],
  ])("of %.20s", (name, known, expected) => {
    expect(nearest(name, known)).toBe(expected);
  });

  test("counts a swap of neighbours as one edit", () => {
    expect(editDistance("from", "form")).toBe(1);
    expect(editDistance("", "abc")).toBe(3);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });
});

describe("quote", () => {
  test("shows control characters, bidirectional overrides and lone surrogates", () => {
    expect(quote("a\x1b[2J\nb\u202e\ud800")).toBe(String.raw`'a\x1b[2J\x0ab\u{202e}\u{d800}'`);
  });

  test("cuts long texts", () => {
    expect(quote("x".repeat(1e6))).toHaveLength(63);
  });

  test("leaves letters of all scripts alone", () => {
    expect(escapeControls("ünï 漢字 🎉")).toBe("ünï 漢字 🎉");
  });
});

test("defined drops undefined properties and keeps false ones", () => {
  expect(defined({ a: undefined, b: 0, c: false, d: null })).toStrictEqual({
    b: 0,
    c: false,
    d: null,
  });
});

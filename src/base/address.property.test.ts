import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  compareAddresses,
  familyOf,
  formatPrefix,
  lengthOfNetmask,
  parseAddress,
  parsePrefix,
  prefixContains,
  prefixOf,
} from "./address.ts";

/** IPv6 words that make runs of zeros likely, which is where compression goes wrong. */
const word = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff }));
const ipv6Words = fc.array(word, { minLength: 8, maxLength: 8 });
const ipv4Text = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
  .map((bytes) => bytes.join("."));
const ipv6Text = fc.oneof(
  fc.ipV6(),
  ipv6Words.map((words) => words.map((value) => value.toString(16).padStart(4, "0")).join(":")),
);
const addressText = fc.oneof(ipv4Text, ipv6Text);

/** Node's URL parser writes IPv6 by the WHATWG rules, which are RFC 5952's without the embedded IPv4 form. */
function canonical(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not an address");
  return value;
}

test("an IPv6 address has the text that the WHATWG URL standard gives it", () => {
  fc.assert(
    fc.property(ipv6Text, (text) => {
      expect(parseAddress(text)).toBe(canonical(text));
    }),
  );
});

test("an IPv4 address is its own text", () => {
  fc.assert(
    fc.property(ipv4Text, (text) => {
      expect(parseAddress(text)).toBe(text);
    }),
  );
});

test("exactly what node takes as an address without a zone is one", () => {
  const almost = fc.string({ unit: fc.constantFrom(..."0123456789abcfF:.%/ x"), maxLength: 42 });
  fc.assert(
    fc.property(fc.oneof(almost, addressText, fc.string()), (text) => {
      expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0 && !text.includes("%"));
    }),
  );
});

test("a canonical text parses to itself", () => {
  fc.assert(
    fc.property(addressText, (text) => {
      const address = must(parseAddress(text));
      expect(parseAddress(address)).toBe(address);
    }),
  );
});

test("a prefix contains what node's BlockList says it does", () => {
  const sameFamily = fc.oneof(
    fc.tuple(ipv4Text, ipv4Text, fc.integer({ min: 1, max: 32 })),
    fc.tuple(ipv6Text, ipv6Text, fc.integer({ min: 1, max: 128 })),
  );
  fc.assert(
    fc.property(sameFamily, ([baseText, otherText, length]) => {
      const [base, other] = [must(parseAddress(baseText)), must(parseAddress(otherText))];
      const kind = familyOf(base) === 4 ? "ipv4" : "ipv6";
      const list = new BlockList();
      list.addSubnet(base, length, kind);
      const prefix = prefixOf(base, length);
      expect(prefixContains(prefix, other)).toBe(list.check(other, kind));
      expect(prefixContains(prefix, base)).toBe(true);
    }),
  );
});

test("a prefix is read back from its text", () => {
  fc.assert(
    fc.property(addressText, fc.nat(), (text, number) => {
      const address = must(parseAddress(text));
      const prefix = prefixOf(address, number % (familyOf(address) === 4 ? 33 : 129));
      expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
    }),
  );
});

test("the order of addresses is total, IPv4 first, and equal only for equal texts", () => {
  fc.assert(
    fc.property(addressText, addressText, addressText, (x, y, z) => {
      const [a, b, c] = [must(parseAddress(x)), must(parseAddress(y)), must(parseAddress(z))];
      expect(Math.sign(compareAddresses(a, b))).toBe(0 - Math.sign(compareAddresses(b, a)) + 0);
      expect(compareAddresses(a, b) === 0).toBe(a === b);
      if (compareAddresses(a, b) <= 0 && compareAddresses(b, c) <= 0) {
        expect(compareAddresses(a, c)).toBeLessThanOrEqual(0);
      }
      if (familyOf(a) < familyOf(b)) expect(compareAddresses(a, b)).toBeLessThan(0);
    }),
  );
});

test("a netmask's length is the number of its leading ones", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 32 }), (length) => {
      const bits = "1".repeat(length).padEnd(32, "0");
      const mask = [0, 8, 16, 24].map((start) => Number.parseInt(bits.slice(start, start + 8), 2));
      expect(lengthOfNetmask(mask.join("."))).toBe(length);
    }),
  );
});

test("no text makes the parsers throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const text = Buffer.from(bytes).toString("latin1");
      parseAddress(text);
      parsePrefix(text);
      lengthOfNetmask(text);
    }),
  );
});

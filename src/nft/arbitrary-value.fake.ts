import fc from "fast-check";
import type { Expression, Verdict } from "./ast.ts";
import * as nft from "./build.ts";

export const regularChains = ["to_a", "to_b", "to_c"];

export const port = fc.integer({ min: 1, max: 65535 });
export const portKey = fc.oneof(
  port.map((number) => nft.value(number)),
  fc.integer({ min: 1, max: 60000 }).map((first) => nft.range(first, first + 7)),
);
const byte = fc.integer({ min: 0, max: 255 });
export const block = fc.integer({ min: 0, max: 30 });
export const interfaceName = fc.constantFrom(
  "virbr0",
  "virbr20",
  "vnet3",
  "eth0.100",
  "br-lan",
  "10",
  "a",
);
export const wildcard = fc.constantFrom("vnet*", "tap*").map((text) => nft.value(text));
export const protocol = fc.constantFrom("tcp", "udp").map((text) => nft.value(text));
export const mac = byte.map((last) =>
  nft.value(`52:54:00:aa:bb:${last.toString(16).padStart(2, "0")}`),
);
export const ipv4 = fc.tuple(block, byte).map(([net, host]) => nft.value(`10.0.${net}.${host}`));
export const ipv6 = fc
  .tuple(block, byte)
  .map(([net, host]) => nft.value(`2001:db8:${net}::${host.toString(16)}`));
export const text = fc
  .string({ unit: fc.constantFrom(..."aZ09 _.:/@+,=-"), minLength: 1, maxLength: 40 })
  .map((inner) => `x${inner}x`);

/** Within the block of 256 addresses, so that elements of different blocks never overlap. */
export const ipv4Interval = (net: number): fc.Arbitrary<Expression> =>
  fc.oneof(
    byte.map((host) => nft.value(`10.0.${net}.${host}`)),
    fc.constant(nft.prefix(`10.0.${net}.0`, 24)),
    fc.integer({ min: 24, max: 32 }).map((length) => nft.prefix(`10.0.${net}.0`, length)),
    fc
      .tuple(byte, byte)
      .map(([a, b]) => nft.range(`10.0.${net}.${Math.min(a, b)}`, `10.0.${net}.${Math.max(a, b)}`)),
  );
export const ipv6Interval = (net: number): fc.Arbitrary<Expression> =>
  fc.oneof(
    byte.map((host) => nft.value(`2001:db8:${net}::${host.toString(16)}`)),
    fc.integer({ min: 48, max: 128 }).map((length) => nft.prefix(`2001:db8:${net}::`, length)),
    byte.map((last) => nft.range(`2001:db8:${net}::`, `2001:db8:${net}::${last.toString(16)}`)),
  );
export const portInterval = (net: number): fc.Arbitrary<Expression> =>
  fc.oneof(
    fc.constant(nft.value(net * 100 + 1)),
    fc.integer({ min: 1, max: 99 }).map((last) => nft.range(net * 100 + 1, net * 100 + 1 + last)),
  );

export const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constantFrom(nft.accept, nft.drop, nft.leave),
  fc.constantFrom(...regularChains).map(nft.jump),
  fc.constantFrom(...regularChains).map(nft.goto),
);

const blocks = fc.uniqueArray(block, { maxLength: 9 });

/** Keys that share no value, one a block. */
export const disjoint = (key: (net: number) => fc.Arbitrary<Expression>) =>
  blocks.chain((nets) => fc.tuple(...nets.map(key)));

export const distinct = (key: fc.Arbitrary<Expression>) =>
  fc.uniqueArray(key, { maxLength: 9, selector: (one) => JSON.stringify(one) });

import fc from "fast-check";
import type { Element, Expression, SetDefinition, Verdict } from "./ast.ts";
import {
  port,
  interfaceName,
  wildcard,
  protocol,
  mac,
  ipv4,
  ipv6,
  ipv4Interval,
  ipv6Interval,
  portInterval,
  verdict,
  disjoint,
  distinct,
} from "./arbitrary-value.fake.ts";
import * as nft from "./build.ts";

const asKeys = (keys: readonly Expression[]): Element[] => keys.map((key) => ({ key }));

const withData = (
  keys: fc.Arbitrary<readonly Expression[]>,
  data: fc.Arbitrary<Expression | Verdict>,
): fc.Arbitrary<Element[]> =>
  keys.chain((some) => fc.tuple(...some.map((key) => data.map((value) => ({ key, data: value })))));

interface Declaration {
  readonly type: readonly string[];
  readonly data?: readonly string[];
  readonly interval?: true;
  readonly elements: fc.Arbitrary<readonly Element[]>;
}

const socket = ["ipv4_addr", "inet_proto", "inet_service"];
const socketKey = fc
  .tuple(
    ipv4,
    protocol,
    port.map((number) => nft.value(number)),
  )
  .map((parts) => nft.concat(...parts));
export const socketInterval = (net: number) =>
  fc.tuple(ipv4Interval(net), protocol, portInterval(net)).map((parts) => nft.concat(...parts));

/** The declarations that a set of each name may have; all of a name fit the rules that use it. */
export const declarations: Readonly<Record<string, readonly Declaration[]>> = {
  bridges: [
    {
      type: ["ifname"],
      elements: distinct(interfaceName.map((name) => nft.value(name))).map(asKeys),
    },
    {
      type: ["ifname"],
      interval: true,
      elements: distinct(
        fc.oneof(
          fc.constantFrom("virbr1", "br-lan", "eth0").map((name) => nft.value(name)),
          wildcard,
        ),
      ).map(asKeys),
    },
  ],
  reach: [
    {
      type: ["ifname", "ifname"],
      elements: distinct(
        fc
          .tuple(interfaceName, interfaceName)
          .map(([a, b]) => nft.concat(nft.value(a), nft.value(b))),
      ).map(asKeys),
    },
  ],
  admin4: [
    { type: ["ipv4_addr"], elements: distinct(ipv4).map(asKeys) },
    { type: ["ipv4_addr"], interval: true, elements: disjoint(ipv4Interval).map(asKeys) },
  ],
  admin6: [
    { type: ["ipv6_addr"], elements: distinct(ipv6).map(asKeys) },
    { type: ["ipv6_addr"], interval: true, elements: disjoint(ipv6Interval).map(asKeys) },
  ],
  ports: [{ type: ["inet_service"], interval: true, elements: disjoint(portInterval).map(asKeys) }],
  nat4: [
    {
      type: ["ifname", "ipv4_addr"],
      interval: true,
      elements: disjoint((net) =>
        fc
          .tuple(interfaceName, ipv4Interval(net))
          .map(([name, key]) => nft.concat(nft.value(name), key)),
      ).map(asKeys),
    },
  ],
  admit4: [
    { type: socket, data: ["verdict"], elements: withData(distinct(socketKey), verdict) },
    {
      type: socket,
      data: ["verdict"],
      interval: true,
      elements: withData(disjoint(socketInterval), verdict),
    },
  ],
  publish4: [
    {
      type: socket,
      data: ["ipv4_addr", "inet_service"],
      elements: withData(
        distinct(socketKey),
        fc.tuple(ipv4, port).map(([address, number]) => nft.concat(address, nft.value(number))),
      ),
    },
  ],
  ingress: [
    {
      type: ["ifname"],
      data: ["verdict"],
      elements: withData(distinct(interfaceName.map((name) => nft.value(name))), verdict),
    },
  ],
  guarded: [
    {
      type: ["ifname", "ether_addr"],
      elements: distinct(
        fc.tuple(interfaceName, mac).map(([name, key]) => nft.concat(nft.value(name), key)),
      ).map(asKeys),
    },
  ],
};

export const arbitrarySet = (name: string): fc.Arbitrary<SetDefinition> =>
  fc
    .tuple(fc.constantFrom(...(declarations[name] ?? [])), fc.boolean())
    .chain(([declaration, counter]) =>
      declaration.elements.map((elements) => ({
        name,
        type: declaration.type,
        ...(declaration.data === undefined ? {} : { data: declaration.data }),
        flags: declaration.interval === undefined ? [] : ["interval" as const],
        counter,
        elements,
      })),
    );

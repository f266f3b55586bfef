import { expect, test } from "vitest";
import { parseFilterXml } from "./filter-xml.ts";

function strict(text: string) {
  return parseFilterXml({ file: "f.xml", text }, { isCompat: false });
}

test("a filter is read with its chain, rules, references and variables", () => {
  const { filter, problems } = strict(
    `<filter name='web' chain='ipv4-web' priority='-650'>
  <uuid>FCE8AE33-E69E-83BF-262E-30786C1F8079</uuid>
  <rule action='drop' direction='out' priority='100' statematch='false'>
    <ip match='no' srcipaddr='$IP' dstipaddr='192.0.2.0' dstipmask='255.255.255.0'/>
    <ip protocol='17' dstportstart='0x35' comment='names'/>
  </rule>
  <filterref filter='clean-traffic'>
    <parameter name='IP' value='192.0.2.1'/>
    <parameter name='IP' value='192.0.2.2'/>
  </filterref>
</filter>`,
  );
  expect(problems).toEqual([]);
  const at = (line: number, column: number) => ({ file: "f.xml", line, column });
  const match = (attribute: string, text: string, place: object) => ({
    attribute,
    isNegated: true,
    value: { kind: "literal", text },
    at: place,
  });
  expect(filter).toEqual({
    name: "web",
    uuid: "fce8ae33-e69e-83bf-262e-30786c1f8079",
    chain: "ipv4-web",
    priority: -650,
    entries: [
      {
        kind: "rule",
        action: "drop",
        direction: "out",
        priority: 100,
        isStateless: true,
        protocol: "ip",
        matches: [
          {
            ...match("srcipaddr", "", at(4, 20)),
            value: { kind: "variable", name: "IP", iterator: 0 },
          },
          match("dstipaddr", "192.0.2.0", at(4, 36)),
          { ...match("dstipmask", "24", at(4, 58)), isNegated: false },
          { ...match("protocol", "udp", at(5, 9)), isNegated: false },
          {
            ...match("dstportstart", "53", at(5, 23)),
            isNegated: false,
            value: { kind: "literal", text: "53", isHex: true },
          },
        ],
        comment: "names",
        at: at(3, 3),
      },
      {
        kind: "reference",
        filter: "clean-traffic",
        parameters: new Map([["IP", ["192.0.2.1", "192.0.2.2"]]]),
        at: at(7, 3),
      },
    ],
    at: at(1, 1),
  });
});

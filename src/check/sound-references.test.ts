import { describe, expect, test } from "vitest";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { soundReferences } from "./sound-references.ts";

function filterText(name: string, ...references: readonly string[]) {
  const inside = references.map((filter) => `  <filterref filter='${filter}'/>\n`).join("");
  return { file: `${name}.xml`, text: `<filter name='${name}' chain='root'>\n${inside}</filter>` };
}

const guests = [
  {
    file: "web.xml",
    text: "<domain><name>web</name><devices><interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet0'/></interface></devices></domain>",
  },
];

function problemsOf(
  texts: ReturnType<typeof filterText>[],
  bound: string,
  whose: "ownFilters" | "filters" = "ownFilters",
): string[] {
  const { inventory } = parseInventory({ networks: [], guests, leases: [], [whose]: texts }, []);
  const text = `guests: { web: { filter: ${bound} } }`;
  const { policy } = parsePolicy([{ file: "policy.yaml", text }]);
  if (policy === undefined) throw new Error("bad sample");
  return soundReferences(policy, inventory).map(
    ({ severity, code, at, message }) =>
      `${at.file}:${at.line}:${at.column} ${severity} ${code} ${message}`,
  );
}

describe("filters that refer to each other", () => {
  test("may meet at the same filter again", () => {
    const diamond = [filterText("a", "b", "c"), filterText("b", "c", "d"), filterText("c", "d")];
    expect(problemsOf([...diamond, filterText("d", "clean-traffic")], "a")).toEqual([]);
  });

  test("in a circle are told of with the way round, whatever the order of files", () => {
    const circle = [filterText("a", "b"), filterText("c", "d", "b"), filterText("b", "c")];
    const expected = [
      "c.xml:3:3 error FILTER_CYCLE filters refer to each other in a circle: 'b', 'c', 'b'",
    ];
    const files = [...circle, filterText("d")];
    expect(problemsOf(files, "a")).toEqual(expected);
    expect(problemsOf(files.toReversed(), "a")).toEqual(expected);
  });

  test("in a circle are an error, and in libvirt's own folder only if a nic uses one", () => {
    const circle = "FILTER_CYCLE filters refer to each other in a circle: 'a', 'a'";
    const texts = [filterText("a", "a")];
    expect(problemsOf(texts, "clean-traffic")).toEqual([`a.xml:2:3 error ${circle}`]);
    expect(problemsOf(texts, "clean-traffic", "filters")).toEqual([`a.xml:2:3 warning ${circle}`]);
    expect(problemsOf(texts, "a", "filters")).toEqual([`a.xml:2:3 error ${circle}`]);
  });

  test("may do so ten thousand deep", () => {
    const deep = Array.from({ length: 10_000 }, (_, i) => filterText(`f${i}`, `f${i + 1}`));
    expect(problemsOf([...deep, filterText("f10000")], "f0")).toEqual([]);
    expect(problemsOf([...deep, filterText("f10000", "f9999")], "f0")).toHaveLength(1);
  });
});

test("a reference to nothing is an error where a nic uses it, at the reference and with a guess", () => {
  const filters = [filterText("a", "b"), filterText("b", "clean-trafic"), filterText("x", "y")];
  expect(problemsOf(filters, "a")).toEqual([
    "b.xml:2:3 error UNKNOWN_FILTER filter 'b' refers to 'clean-trafic', and there is no such filter",
    "x.xml:2:3 warning UNKNOWN_FILTER filter 'x' refers to 'y', and there is no such filter",
  ]);
});

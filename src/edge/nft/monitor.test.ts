import { expect, it } from "vitest";
import type { KernelEvent } from "../../ports/kernel.ts";
import { MonitorReader } from "./monitor.ts";

/** As `nft monitor` 1.0.6 prints it. */
const text = `add table inet t
add chain inet t c { type filter hook input priority filter; policy accept; }
add rule inet t c ip saddr @s counter packets 0 bytes 0 jump d comment "add table ip fake"
add set inet t s { type ipv4_addr; flags interval; }
add element inet t s { 10.0.0.0/8 }
# new generation 4 by process 3034 (nft)
delete rule ip nat-x POSTROUTING handle 3
delete table bridge other
# new generation 5 by process 77 (evil) (x))
# ERROR: We lost some netlink events!
# new generation 6
`;

const expected: KernelEvent[] = [
  {
    kind: "changed",
    tables: [{ family: "inet", name: "t" }],
    process: { pid: 3034, name: "nft" },
  },
  {
    kind: "changed",
    tables: [
      { family: "ip", name: "nat-x" },
      { family: "bridge", name: "other" },
    ],
    process: { pid: 77, name: "evil) (x)" },
  },
  { kind: "lost" },
  { kind: "changed", tables: [] },
];

function read(chunks: readonly string[]): KernelEvent[] {
  const events: KernelEvent[] = [];
  const reader = new MonitorReader((event) => events.push(event));
  for (const chunk of chunks) reader.push(chunk);
  return events;
}

it("makes one event of each transaction, with the tables it touched", () => {
  expect(read([text])).toEqual(expected);
});

it("does not depend on how the text arrives", () => {
  expect(read(text.split(""))).toEqual(expected);
});

it("keeps only the head of a line, however long its elements are", () => {
  const elements = "10.0.0.1, ".repeat(100_000);
  const events = read([`add element inet t s { ${elements}`, elements, "}\n# new generation 7\n"]);
  expect(events).toEqual([{ kind: "changed", tables: [{ family: "inet", name: "t" }] }]);
});

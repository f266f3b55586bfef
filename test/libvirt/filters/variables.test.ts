import { afterAll, beforeAll, expect, test } from "vitest";
import { makeDice } from "./dice.ts";
import { comparable, compare, differs, type Oracle, startOracle, verdictText } from "./oracle.ts";
import { randomSteps } from "./random-steps.ts";
import { guest, neighbour, world } from "./stage.ts";

/* Variables and states, in filters that drop what no rule accepts: the same packets through libvirt and virtwall. */

const parameters = {
  A: [guest.four, neighbour.four],
  B: [neighbour.four, world.four],
  SIX: [guest.six, neighbour.six, world.six],
  P: ["80", "443"],
  ONE: ["81"],
};

/** The first names VLAN and decides nothing: without it virtwall refuses tagged frames ahead of rules of packets, and libvirt does not. */
const end = `<rule action='continue' direction='inout'><vlan/></rule>
<rule action='drop' direction='inout' priority='900'><all/></rule>
<rule action='drop' direction='inout' priority='900'><all-ipv6/></rule>`;
const rule = (way: string, inside: string, more = "") =>
  `<rule action='accept' direction='${way}'${more}>${inside}</rule>\n`;
const dropFrame = (inside: string) => `<rule action='drop' direction='out'>${inside}</rule>\n`;

const filters: Readonly<Record<string, string>> = {
  "a list": rule("out", "<tcp dstipaddr='$B' dstportstart='$ONE[0]'/>") + end,
  "two lists in step": rule("out", "<tcp dstipaddr='$B' dstportstart='$P'/>") + end,
  "two lists in step, by name": rule("in", "<udp srcipaddr='$B[@3]' dstportstart='$P[@3]'/>") + end,
  "every combination of two lists":
    rule("inout", "<udp srcipaddr='$B[@1]' dstportstart='$P[@2]'/>") + end,
  "lists of different lengths, each by itself":
    rule("out", "<tcp-ipv6 dstipaddr='$SIX[@1]' dstportstart='$P[@2]'/>") + end,
  "one value of a list": rule("out", "<all dstipaddr='$B[1]'/>") + rule("in", "<all/>") + end,
  "not one value": dropFrame("<ip match='no' srcipaddr='$A[0]'/>"),
  "not one of several, which is every frame": dropFrame("<ip match='no' dstipaddr='$A'/>"),
  "a list of frames": dropFrame("<ip srcipaddr='$A' protocol='tcp' dstportstart='$P'/>"),
  "a list and a mask": dropFrame("<ip dstipaddr='$B' dstipmask='24'/>"),
  "from a variable to a number": dropFrame(
    "<ip protocol='udp' dstportstart='$ONE' dstportend='443'/>",
  ),
  "new connections": rule("out", "<tcp state='NEW'/>") + end,
  "new connections and their packets, both ways":
    rule("out", "<all state='NEW,ESTABLISHED'/>") + rule("in", "<all state='ESTABLISHED'/>") + end,
  "what belongs to no connection": rule("inout", "<all state='INVALID'/>") + end,
  "no state at all": rule("out", "<udp state='NONE'/>") + rule("in", "<tcp state='NONE'/>") + end,
  "rules without state": rule("out", "<all/>", " statematch='false'") + end,
  "rules with state": rule("out", "<all/>") + rule("out", "<all-ipv6/>") + end,
  "connections to the guest": rule("in", "<tcp/>") + rule("in", "<icmpv6 type='128'/>") + end,
};

let oracle: Oracle;
beforeAll(async () => {
  oracle = await startOracle();
});
afterAll(() => oracle?.stop());

test.each(Object.entries(filters))("%s", async (_, rules) => {
  const definitions = [`<filter name='told' chain='root'>\n${rules}\n</filter>`];
  const filter = { name: "told", definitions, parameters };
  await oracle.bindLibvirts(filter);
  await oracle.bindOurs(filter);
  const verdicts = comparable(await compare(oracle, randomSteps(makeDice(1), 1500)));
  expect(verdicts.filter(differs).map(verdictText).slice(0, 5)).toEqual([]);
  const passed = verdicts.filter(({ ours }) => ours !== "").length;
  expect(passed).toBeGreaterThan(0);
  expect(passed).toBeLessThan(verdicts.length);
});

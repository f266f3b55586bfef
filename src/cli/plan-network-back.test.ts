import { expect, test } from "vitest";
import { planNetworkBack } from "./plan-network-back.ts";

const nat = "<forward mode='nat'>\n    <nat ipv6='yes'/>\n  </forward>";
const open = "<forward mode='open'/>";
const xml = (forward: string, rest = "") =>
  `<network>\n  <name>n</name>\n  ${forward}\n  <bridge name='virbr1'/>\n${rest}</network>\n`;
const running = (text: string) => text.replace("<network>", "<network connections='2'>").trimEnd();
const dns = "  <dns><host ip='192.168.122.9'><hostname>db</hostname></host></dns>\n";

const back = (kept: string, live?: string) =>
  planNetworkBack({ network: "n", xml: { before: xml(nat), after: xml(open) } }, { kept, live });

test("as adoption left it, it gets its former <forward>", () => {
  expect(back(xml(open), running(xml(open)))).toEqual({
    xml: xml(nat),
    forward: nat,
    edits: [],
    obstacles: [],
  });
});

test.each([
  ["adoption", xml(open), xml(nat)],
  ["its undoing", xml(nat), xml(open)],
])("where %s was broken off, nothing is in the way", (_what, kept, live) => {
  expect(back(kept, running(live))).toMatchObject({ xml: xml(nat), edits: [], obstacles: [] });
});

test("what was edited since stays, and is said, whether the network runs or not", () => {
  const edited = xml(open, dns);
  for (const live of [running(edited), undefined]) {
    const found = back(edited, live);
    expect(found).toMatchObject({ xml: xml(nat, dns), obstacles: [] });
    expect(found?.edits).toEqual(["n was edited since, and that stays"]);
  }
});

test.each([
  ["an edit that waits for a restart", xml(open, dns), xml(open)],
  ["an edit that a restart would lose", xml(open), xml(open, dns)],
])("%s is in the way", (_what, kept, live) => {
  expect(back(kept, running(live))?.obstacles).toEqual([
    expect.stringContaining("n was edited since it was started"),
  ]);
});

test("a <forward> that is neither of the two is not written over", () => {
  const route = "<forward mode='route'/>";
  expect(back(xml(route), running(xml(route)))?.obstacles).toEqual([
    "its <forward> was edited since: write <forward mode='open'/> again (virsh net-edit)",
  ]);
  expect(back(xml("<dns/>"))).toBeUndefined();
});

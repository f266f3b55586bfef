import { describe, expect, test } from "vitest";

import { planIntegration, withoutOurLines } from "./integrate-plan.ts";

const mark = 0x10000000;
const rule = 'meta mark & 0x10000000 == 0x10000000 accept comment "virtwall"';
const plan = (text: string) => planIntegration(text, mark);

function states(text: string): Record<string, string> {
  return Object.fromEntries(plan(text).chains.map((chain) => [chain.chain, chain.state]));
}

describe("where the line goes", () => {
  test.each<[string, string, string]>([
    [
      "under a header that ends its line, indented alike",
      "table inet f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n",
      `table inet f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy drop;\n\t\t${rule}\n\t}\n}\n`,
    ],
    [
      "under a policy on a line of its own, behind its comment",
      "table f {\n  chain in {\n    type filter hook input priority filter\n    policy drop # closed; {\n    accept\n  }\n}",
      `table f {\n  chain in {\n    type filter hook input priority filter\n    policy drop # closed; {\n    ${rule}\n    accept\n  }\n}`,
    ],
    [
      "within a chain of one line",
      "table f { chain in { type filter hook input priority 0; policy drop; tcp dport 22 accept; }; }\n",
      `table f { chain in { type filter hook input priority 0; policy drop; ${rule}; tcp dport 22 accept; }; }\n`,
    ],
    [
      "ahead of a brace that follows the header at once",
      "table f { chain in { type filter hook input priority 0; policy drop } }\n",
      `table f { chain in { type filter hook input priority 0; policy drop; ${rule} } }\n`,
    ],
    [
      "under a header that starts on the line of its brace",
      "table f {\n chain in { type filter hook input priority 0; policy drop;\n  accept\n }\n}\n",
      `table f {\n chain in { type filter hook input priority 0; policy drop;\n  ${rule}\n  accept\n }\n}\n`,
    ],
    [
      "at the end of a file of commands",
      "add table f\nadd chain f in { type filter hook input priority 0; policy drop; }\nadd rule f in accept\n",
      `add table f\nadd chain f in { type filter hook input priority 0; policy drop; }\nadd rule f in accept\ninsert rule ip f in ${rule}\n`,
    ],
    [
      "at the end of a file without a last line break",
      "add table inet f\nadd chain inet f in { type filter hook input priority 0; policy drop; }",
      `add table inet f\nadd chain inet f in { type filter hook input priority 0; policy drop; }\ninsert rule inet f in ${rule}`,
    ],
    [
      "at the end where a rule stands ahead of the chain's header",
      "table f {\n chain in {\n  accept\n }\n chain in {\n  type filter hook input priority 0; policy drop;\n }\n}\n",
      `table f {\n chain in {\n  accept\n }\n chain in {\n  type filter hook input priority 0; policy drop;\n }\n}\ninsert rule ip f in ${rule}\n`,
    ],
  ])("%s", (_, text, expected) => {
    expect(plan(text).text).toBe(expected);
    expect(plan(expected)).toMatchObject({ text: expected, bare: text });
    expect(withoutOurLines(expected)).toBe(text);
  });
});

describe("which chains need it", () => {
  const chain = (header: string, ...rules: readonly string[]) =>
    `table inet f {\nset s { type ipv4_addr; elements = { 10.0.0.1,\n10.0.0.2 }; }\nchain x {\n${header}\n${rules.join("\n")}\n}\nchain dropping {\ndrop\n}\nchain loop {\njump loop\n}\n}\n`;
  const open = "type filter hook forward priority 0; policy accept;";

  test.each<[string, string, string]>([
    ["policy accept and no rule", chain(open), "not needed"],
    ["no policy at all", chain("type filter hook input priority 0"), "not needed"],
    ["a comment about drop", chain(open, 'accept comment "drop"', "# drop"), "not needed"],
    ["policy drop", chain("type filter hook forward priority 0; policy drop;"), "added"],
    ["a rule that drops", chain(open, "tcp dport 22 drop"), "added"],
    ["a rule that rejects", chain(open, "reject with icmpx type port-unreachable"), "added"],
    ["a verdict in a map", chain(open, "ct state vmap { invalid:drop, new:accept }"), "added"],
    ["a map that is elsewhere", chain(open, "ip saddr vmap @somewhere"), "added"],
    ["a jump to a chain that drops", chain(open, "jump dropping"), "added"],
    ["a jump to a chain that does not", chain(open, "jump loop"), "not needed"],
    ["a jump to a chain of another file", chain(open, "goto elsewhere"), "added"],
    ["an included piece", chain(open, 'include "/etc/piece.nft"'), "added"],
    [
      "a priority ahead of ours",
      chain("type filter hook input priority -10; policy drop;"),
      "before ours",
    ],
    [
      "a named priority ahead of ours",
      chain("type filter hook input priority mangle; policy drop;"),
      "before ours",
    ],
    [
      "a priority by name and number",
      chain("type filter hook input priority filter - 4; policy drop;"),
      "added",
    ],
    ["prerouting", chain("type filter hook prerouting priority 0; policy drop;"), "before ours"],
  ])("%s", (_, text, expected) => {
    expect(states(text)["x"]).toBe(expected);
  });

  test("a bridge's input is ahead of what judges what comes to the host", () => {
    const frames = (hook: string) =>
      `table bridge b { chain x { type filter hook ${hook} priority 0; policy drop; }; }\n`;
    expect(states(frames("input"))["x"]).toBe("before ours");
    expect(states(frames("forward"))["x"]).toBe("added");
  });

  test("variables are replaced", () => {
    const text = `define P = mangle\ndefine pol = drop\n${chain("type filter hook input priority $P; policy $pol;")}`;
    expect(states(text)).toEqual({ x: "before ours" });
  });

  test("chains of nat and of arp are not looked at", () => {
    const nat = "table ip n { chain p { type nat hook output priority 0; policy drop; }; }\n";
    const arp = "table arp a { chain i { type filter hook input priority 0; policy drop; }; }\n";
    expect(plan(nat + arp).chains).toEqual([]);
  });

  test("a table of virtwall in a saved ruleset gets no line and is told", () => {
    const text =
      "table inet virtwall { chain x { type filter hook input priority -5; policy drop; }; }\n";
    expect(plan(text)).toMatchObject({ text, chains: [], holdsOwnTable: true });
  });

  test("includes are named", () => {
    expect(plan('include "/etc/nftables.d/*.nft"\ninclude "./x"\n').includes).toEqual([
      "/etc/nftables.d/*.nft",
      "./x",
    ]);
  });
});

test("a rule of the admin's own words stays and counts", () => {
  const text = `table f {\nchain in {\ntype filter hook input priority 0; policy drop;\nmeta mark and 0x10000000 == 0x10000000 counter accept comment "virtwall"\n}\n}\n`;
  expect(plan(text)).toMatchObject({ text, chains: [{ state: "present" }] });
});

test("a line with an old mark is replaced", () => {
  const text = "table f {\nchain in {\ntype filter hook input priority 0; policy drop;\n}\n}\n";
  const old = planIntegration(text, 0x20).text;
  expect(plan(old)).toMatchObject({ text: plan(text).text, chains: [{ state: "added" }] });
});

test("braces and words in strings and comments are not the file's structure", () => {
  const text =
    'table f { # chain x {\nchain in {\ntype filter hook input priority 0;\ncomment "}; policy drop;"\npolicy accept;\nlog prefix "{ drop" accept\n}\n}\n';
  expect(states(text)).toEqual({ in: "not needed" });
});

test("a file that is cut off anywhere is read without harm", () => {
  const text =
    'table f {\nchain in {\ntype filter hook input priority 0; policy drop;\nlog prefix "x"\n}\n}\n';
  for (let length = 0; length <= text.length; length++) {
    const part = text.slice(0, length);
    expect(withoutOurLines(plan(part).text)).toBe(part);
  }
});

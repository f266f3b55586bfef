import { describe, expect, test } from "vitest";

import { passRuleAdvice, printPassRules, printRemoval, readChains } from "./pass-rule.ts";
import { readSave } from "./save.ts";

const pass = "-m mark --mark 0x10000000/0x10000000 -m comment --comment virtwall -j ACCEPT";

function filter(...lines: readonly string[]): string {
  return ["*filter", ":INPUT ACCEPT [0:0]", ...lines, "COMMIT", ""].join("\n");
}

function chain(name: string, text: string) {
  const found = readChains(readSave(text)).find((candidate) => candidate.chain === name);
  if (found === undefined) throw new Error(`no chain ${name}`);
  return found;
}

describe("whether a chain may drop", () => {
  test.each([
    [["-A INPUT -j ACCEPT"], false],
    [["-A INPUT -p tcp -j LOG"], false],
    [["-A INPUT -p tcp"], false],
    [["-A INPUT -j DROP"], true],
    [["-A INPUT -j REJECT --reject-with icmp-port-unreachable"], true],
    [["-A INPUT -j NFQUEUE --queue-num 0"], true],
    [["-A INPUT -j SOMETHING_NEW"], true],
    [[":a - [0:0]", ":b - [0:0]", "-A INPUT -j a", "-A a -g b", "-A b -j RETURN"], false],
    [[":a - [0:0]", ":b - [0:0]", "-A INPUT -j a", "-A a -g b", "-A b -j DROP"], true],
    [[":a - [0:0]", "-A INPUT -j a", "-A a -j a"], false],
    [['-A INPUT -m comment --comment "-j DROP" -j ACCEPT'], false],
  ])("%j: %s", (lines, expected) => {
    expect(chain("INPUT", filter(...lines)).mayDrop).toBe(expected);
  });

  test("a policy of DROP is enough", () => {
    const facts = chain("FORWARD", "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n");
    expect(facts).toMatchObject({ mayDrop: true, policy: "DROP", passPosition: 1 });
    expect(facts.firstDrop).toBeUndefined();
  });

  test("the first rule that may drop is told with its position", () => {
    expect(chain("INPUT", filter("-A INPUT -j ACCEPT", "-A INPUT -s 10.0.0.1/32 -j DROP"))).toEqual(
      expect.objectContaining({ firstDrop: { position: 2, text: "-s 10.0.0.1/32 -j DROP" } }),
    );
  });
});

test("pass rules are found by comment, whatever the order of their matches", () => {
  const other = "-m comment --comment virtwall -m mark --mark 0x1/0x1 -j ACCEPT";
  const hand = "-p tcp -m comment --comment virtwall -j ACCEPT";
  const facts = chain(
    "INPUT",
    filter(`-A INPUT ${pass}`, "-A INPUT -j DROP", `-A INPUT ${other}`, `-A INPUT ${hand}`),
  );
  expect(facts.passRules).toEqual([
    { position: 1, text: pass, mark: 0x10000000 },
    { position: 3, text: other, mark: 1 },
    { position: 4, text: hand },
  ]);
});

test("a pass rule stays behind libvirt's guest filters, which are meant to drop", () => {
  const facts = chain(
    "FORWARD",
    [
      "*filter",
      ":FORWARD DROP [0:0]",
      ":libvirt-in - [0:0]",
      ":libvirt-out - [0:0]",
      `-A FORWARD ${pass}`,
      "-A FORWARD -j libvirt-in",
      "-A FORWARD -j libvirt-out",
      "-A FORWARD -j DROP",
      "-A libvirt-in -j DROP",
      "COMMIT",
    ].join("\n"),
  );
  expect(facts).toMatchObject({ guestFilters: 3, passPosition: 3, firstDrop: { position: 4 } });
});

test("the restore script removes the copies and puts one rule at the head, a table at a time", () => {
  const text = filter(":FORWARD DROP [0:0]", `-A FORWARD ${pass}`, `-A FORWARD ${pass}`);
  expect(printPassRules([chain("FORWARD", text)], 0x20000000)).toBe(
    [
      "*filter",
      `-D FORWARD ${pass}`,
      `-D FORWARD ${pass}`,
      "-I FORWARD 1 -m mark --mark 0x20000000/0x20000000 -m comment --comment virtwall -j ACCEPT",
      "COMMIT",
      "",
    ].join("\n"),
  );
});

test("removal names every rule with our comment and no other", () => {
  const text = filter(
    ":mine - [0:0]",
    `-A INPUT ${pass}`,
    '-A INPUT -m comment --comment "virtwall too" -j ACCEPT',
    `-A mine ${pass}`,
  );
  expect(printRemoval(readSave(text))).toEqual({
    count: 2,
    script: `*filter\n-D INPUT ${pass}\n-D mine ${pass}\nCOMMIT\n`,
  });
  expect(printRemoval(readSave(filter()))).toEqual({ count: 0, script: "" });
});

describe("a rule of the admin's own", () => {
  const handPass = (...lines: readonly string[]) =>
    readChains(readSave(["*filter", ":FORWARD DROP [0:0]", ...lines, "COMMIT"].join("\n")))[0]
      ?.handPass;
  const pass = (chain: string) => `-A ${chain} -m mark --mark 0x10000000/0x10000000 -j ACCEPT`;

  test("passes in the place that ufw and Docker keep for it", () => {
    const ufw = [":ufw-before-forward - [0:0]", "-A FORWARD -j ufw-before-forward"];
    expect(handPass(...ufw, pass("ufw-before-forward"))).toBe(0x10000000);
    const docker = [":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DROP"];
    expect(handPass(...docker, pass("DOCKER-USER"))).toBe(0x10000000);
  });

  test.each([
    ["behind a drop", [":a - [0:0]", "-A FORWARD -s 10.0.0.0/8 -j DROP", pass("FORWARD")]],
    ["where only some packets go", [":a - [0:0]", "-A FORWARD -i eth0 -j a", pass("a")]],
    [
      "behind a way out of its chain",
      [":a - [0:0]", "-A FORWARD -j a", "-A a -i eth0 -j RETURN", pass("a")],
    ],
    ["of one interface", ["-A FORWARD -i eth0 -m mark --mark 0x10000000/0x10000000 -j ACCEPT"]],
  ])("%s does not count", (_, lines) => {
    expect(handPass(...lines)).toBeUndefined();
  });
});

test("what an admin types is said in the words of the program that keeps the chain", () => {
  const at = { table: "filter", chain: "FORWARD", passPosition: 1 } as const;
  const advice = (command: string, ...makers: readonly ("ufw" | "docker" | "libvirt")[]) =>
    passRuleAdvice(command, { ...at, makers }, 0x10000000);
  expect(advice("ip6tables", "ufw")).toContain(
    "-I ufw6-before-forward -m mark --mark 0x10000000/0x10000000 -j ACCEPT in /etc/ufw/before6.rules",
  );
  expect(advice("iptables", "docker", "libvirt")).toMatch(/^iptables -I DOCKER-USER /);
  expect(advice("iptables", "libvirt")).toMatch(/^iptables -I FORWARD 1 .* --comment virtwall/);
});

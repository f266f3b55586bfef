import { expect, test } from "vitest";
import { guest, inventory, network, uplink } from "../compile/sample.fake.ts";
import { parsePolicy } from "../parse/policy.ts";
import { bootScript, closedScript } from "./boot-ruleset.ts";

const policyOf = (text: string) => parsePolicy([{ file: "policy.yaml", text }]).policy;

const written = policyOf(`
host:
  failsafe: [tcp/22, tcp/2222]
  input:
    - { allow: [tcp/22, tcp/443], from: [admin] }
    - { allow: tcp/2000-3000 }
    - { allow: udp/53 }
    - { deny: udp/161 }
aliases: { admin: [198.51.100.60] }
networks: { lan: { mode: nat } }
guests: { g1: { publish: [{ ports: tcp/80 }] } }
`);
const host = {
  interfaces: [uplink, { ...uplink, name: "tap9" as never, kind: "tun", master: "br9" as never }],
};
const world = inventory({
  networks: [network("lan", { forward: "open" })],
  guests: [guest(1, "lan")],
  host,
});

/** The rules of a chain, in the order of the script. */
const rulesOf = (script: string, chain: string) =>
  script.split("\n").filter((line) => line.startsWith(`add rule inet virtwall ${chain} `));

test("a boot begins with the networks and the host's rules, and with no guest and no tap", () => {
  const script = bootScript({ policy: written, inventory: world });
  expect(script).toContain("add table inet virtwall\n");
  expect(script).toMatch(/add element inet virtwall judged \{ "br-lan" \}/);
  expect(rulesOf(script, "host_rules").join("\n")).toContain("udp dport 53 accept");
  for (const element of ["vnet1", "tap9", "published "])
    expect(script).not.toContain(`"${element}"`);
  expect(script).not.toMatch(/add element (inet|bridge) virtwall (publish4|taps|foreign_taps) /);
  expect(script).toContain('iifname "vnet*" counter drop');
});

test("closed, the failsafe services are open for those whom the policy lets in, and nothing else is", () => {
  const rules = rulesOf(closedScript(written), "host_rules").map((line) =>
    line.replace(/.*? host_rules /, ""),
  );
  expect(rules.filter((rule) => rule.includes("accept"))).toEqual([
    'ip saddr @alias_admin4 tcp dport 22 accept comment "host input 1"',
    'tcp dport 2000-3000 accept comment "host input 2"',
  ]);
  expect(rules.filter((rule) => rule.includes("161"))).toHaveLength(1);
  expect(rules.at(-1)).toBe("counter drop");
});

test("closed, the input of a host whose policy leaves it alone is left alone", () => {
  const script = closedScript(policyOf("networks: { lan: { mode: nat } }"));
  expect(rulesOf(script, "host_rules")).toEqual([]);
  expect(script).toContain('iifname "vnet*" counter drop');
});

test("closed without a policy, the failsafe services are open for everybody", () => {
  const rules = rulesOf(closedScript(policyOf(""), "everybody"), "host_rules");
  expect(rules.filter((rule) => rule.includes("accept"))).toEqual([
    'add rule inet virtwall host_rules tcp dport 22 accept comment "host input 1"',
  ]);
});

import { expect, test } from "vitest";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { ofEachGuest } from "./of-each-guest.ts";
import { soundBindings } from "./sound-bindings.ts";

const guest = `<domain><name>web1</name><devices>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet0'/></interface>
</devices></domain>`;

const ownIp = `<filter name='own-ip'>
<rule action='accept' direction='out'><ip srcipaddr='$IP'/></rule></filter>`;

/** With these parameters of the one nic. */
function breaches(parameters: string, filter = ownIp) {
  const text = `guests:
  web1: { filter: own-ip, nics: { "52:54:00:00:00:01": { parameters: ${parameters} } } }`;
  const guests = [{ file: "web1.xml", text: guest }];
  const filters = [{ file: "own-ip.xml", text: filter }];
  const { inventory } = parseInventory({ networks: [], guests, leases: [], filters }, []);
  return ofEachGuest(soundBindings)(parsePolicy([{ file: "p", text }]).policy, inventory);
}

const wrong = (what: string, hint: string, column = 72) => [
  {
    code: "BAD_VARIABLE",
    severity: "error",
    at: { file: "p", line: 2, column },
    message: `nic 52:54:00:00:00:01 of guest 'web1': ${what}`,
    hint,
  },
];

test.each([
  "{}",
  "{ CTRL_IP_LEARNING: DHCP, DHCPSERVER: [10.0.0.1, 10.0.0.2] }",
  "{ CTRL_IP_LEARNING: Any }",
  "{ CTRL_IP_LEARNING: none, IP: 10.0.0.5 }",
  "{ DHCPSERVER: whoever, IP: 10.0.0.5 }",
])("parameters %s are no mistake", (parameters) => {
  expect(breaches(parameters)).toEqual([]);
});

test.each([
  ["{ CTRL_IP_LEARNING: dchp }", "'dchp'"],
  ["{ CTRL_IP_LEARNING: [any, dhcp] }", "'any, dhcp'"],
  ["{ CTRL_IP_LEARNING: dchp, IP: 10.0.0.5 }", "'dchp'"],
])("no way of learning is %s", (parameters, value) => {
  const hint = "give it one of any, dhcp and none";
  expect(breaches(parameters)).toEqual(wrong(`${value} is no value for CTRL_IP_LEARNING`, hint));
});

test.each([
  ["{ DHCPSERVER: '2001:db8::1' }", "'2001:db8::1'", 72],
  ["{ CTRL_IP_LEARNING: dhcp, DHCPSERVER: [10.0.0.1, dhcp.example] }", "'dhcp.example'", 96],
])("no server is %s", (parameters, value, column) => {
  const hint = "give it IPv4 addresses: those of the servers that may give addresses";
  const expected = wrong(`${value} is no value for DHCPSERVER`, hint, column);
  expect(breaches(parameters)).toEqual(expected);
});

test("values that make more rules than anybody needs are refused with their number, a list of addresses is not", () => {
  const rule = (attributes: string) =>
    `<filter name='own-ip'>\n<rule action='drop' direction='in'><ip dscp='$D[@1]' ${attributes}/></rule></filter>`;
  const classes = Array.from({ length: 64 }, (_, i) => i).join();
  const macs = Array.from({ length: 20 }, (_, i) => `"52:54:00:00:${10 + i}:00"`).join();
  const addresses = Array.from({ length: 2000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join();
  const given = `{ D: [${classes}], M: [${macs}], A: [${addresses}] }`;
  expect(breaches(given, rule("srcipaddr='$A[@2]'"))).toEqual([]);
  const [masked] = breaches(given, rule("srcmacaddr='$M[@2]' srcmacmask='ff:ff:ff:ff:ff:00'"));
  expect(masked?.message).toContain("make 1280 combinations, and at most 1000 can be enforced");
});

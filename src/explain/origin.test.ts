import { describe, expect, it } from "vitest";
import { originOf } from "./origin.ts";

const nft = `#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state { established, related } accept
  }
  chain forward {
    type filter hook forward priority filter
    policy drop
    tcp dport { 22, 80 } counter drop # no shells
  }
}
`;
const saved = `*filter
:INPUT DROP [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j DROP
COMMIT
`;
const files = [
  { file: "/etc/nftables.conf", text: nft },
  { file: "/etc/iptables/rules.v4", text: saved },
];
const inet = { family: "inet", table: "filter", chain: "forward", owner: "the admin" };
const iptables = { family: "ip", table: "filter", chain: "INPUT", owner: "iptables" };

describe("the origin of a rule", () => {
  it.each([
    [{ ...inet, number: 1, text: "tcp dport { 22, 80 } counter drop" }, "/etc/nftables.conf:11"],
    [inet, "/etc/nftables.conf:10"],
    [{ ...inet, chain: "input" }, "/etc/nftables.conf:5"],
    [{ ...inet, number: 1, text: "tcp dport 23 drop" }, "nowhere"],
    [
      { ...iptables, number: 1, text: "-p tcp -m tcp --dport 22 -j DROP" },
      "/etc/iptables/rules.v4:3",
    ],
    [iptables, "/etc/iptables/rules.v4:2"],
  ])("of %j is %s", (rule, place) => {
    const { file, line } = originOf(rule, files);
    expect(file === undefined ? "nowhere" : `${file}:${String(line)}`).toBe(place);
  });
});

import { expect, test } from "vitest";
import type { Address } from "../base/address.ts";
import type { PublicationState } from "../model/state.ts";
import { readSave } from "../xtables/save.ts";
import { planRetirement } from "./plan-retirement.ts";
import { readForwards } from "./read-forwards.ts";
import { unpublished } from "./unpublished.ts";

const script = `#!/bin/sh
GUEST=web1
PUBLIC_IP=203.0.113.7
PRIVATE_IP=10.20.0.11
PORTS="tcp:8080:80"
`;
const forwards = readForwards({ file: "qemu", text: script })?.forwards ?? [];

const nat = (...rules: readonly string[]) =>
  readSave(
    `*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DNAT-web1 - [0:0]\n${rules.join("\n")}\nCOMMIT\n`,
  );
const to = (port: number, target: string) =>
  `-A PREROUTING -d 203.0.113.7/32 -p tcp -m tcp --dport ${port} -j DNAT --to-destination ${target}`;

test("the script's own rules go, and no other forward", () => {
  const own = [
    to(8080, "10.20.0.11:80"),
    "-A POSTROUTING -s 10.20.0.11/32 -d 10.20.0.11/32 -j MASQUERADE",
  ];
  const others = [
    to(8080, "10.20.0.12:80"),
    to(8080, "10.20.0.11:81"),
    to(9090, "10.20.0.11:80"),
    "-A PREROUTING -d 203.0.113.8/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.20.0.11:80",
    "-A POSTROUTING -s 10.20.0.0/24 -j MASQUERADE",
  ];
  expect(planRetirement(nat(...own, ...others), forwards).rules).toEqual(own);
});

test("a chain of the script's own goes with its jump", () => {
  const tables = nat(
    "-A PREROUTING -d 203.0.113.7/32 -j DNAT-web1",
    "-A DNAT-web1 -d 203.0.113.7/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.20.0.11:80",
  );
  const { script: text } = planRetirement(tables, forwards);
  expect(text).toContain("-D PREROUTING -d 203.0.113.7/32 -j DNAT-web1");
  expect(text).toContain("-X DNAT-web1");
});

test("of the filter table only what accepts for the guest goes", () => {
  const tables = readSave(`*filter
:FORWARD DROP [0:0]
-A FORWARD -d 10.20.0.11/32 -o virbr0 -j ACCEPT
-A FORWARD -d 10.20.0.11/32 -j DROP
-A FORWARD -d 10.20.0.0/24 -j ACCEPT
COMMIT
`);
  expect(planRetirement(tables, forwards).rules).toEqual([
    "-A FORWARD -d 10.20.0.11/32 -o virbr0 -j ACCEPT",
  ]);
});

test("of accepts for the guest those go that forwarded packets meet and that say what the forward says", () => {
  const own = [
    "-A FORWARD -d 10.20.0.11/32 -m conntrack --ctstate NEW,RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -d 10.20.0.11/32 -o virbr0 -p tcp -m tcp --dport 80 -j ACCEPT",
  ];
  const inner = "-A INNER -d 10.20.0.11/32 -p tcp -m multiport --dports 80 -j ACCEPT";
  const others = [
    "-A INPUT -d 10.20.0.11/32 -j ACCEPT",
    "-A OUTPUT -d 10.20.0.11/32 -p tcp -m tcp --dport 80 -j ACCEPT",
    "-A ASIDE -d 10.20.0.11/32 -j ACCEPT",
    "-A INNER -d 10.20.0.11/32 -p tcp -m multiport --dports 80,443 -j ACCEPT",
    "-A FORWARD -s 10.0.0.5/32 -d 10.20.0.11/32 -p tcp -m tcp --dport 22 -j ACCEPT",
    "-A FORWARD -s 10.0.0.5/32 -d 10.20.0.11/32 -p tcp -m tcp --dport 80 -j ACCEPT",
    "-A FORWARD -d 10.20.0.11/32 -p tcp -m tcp --dport 22 -j ACCEPT",
    "-A FORWARD -d 10.20.0.11/32 -p tcp -m tcp --dport 80:90 -j ACCEPT",
    "-A FORWARD -d 10.20.0.11/32 -p udp -m udp --dport 80 -j ACCEPT",
    "-A FORWARD -d 10.20.0.11/32 -p icmp -j ACCEPT",
    "-A FORWARD -d 10.20.0.11/32 ! -i eth0 -j ACCEPT",
    "-A FORWARD -d 10.20.0.11/32 -m mark --mark 0x1 -j ACCEPT",
  ];
  const chains = ["INPUT ACCEPT", "FORWARD DROP", "OUTPUT ACCEPT", "OUTER -", "INNER -", "ASIDE -"];
  const tables = readSave(
    [
      "*filter",
      ...chains.map((chain) => `:${chain} [0:0]`),
      "-A FORWARD -j OUTER",
      "-A OUTER -g INNER",
      "-A INPUT -j ASIDE",
      ...own,
      inner,
      ...others,
      "COMMIT\n",
    ].join("\n"),
  );
  expect(planRetirement(tables, forwards).rules).toEqual([...own, inner]);
});

test("without forwards nothing goes", () => {
  expect(planRetirement(nat(to(8080, "10.20.0.11:80")), []).script).toBe("");
});

const published: PublicationState = {
  guest: "web1",
  protocol: "tcp",
  writtenIn: "policy",
  address: "203.0.113.7" as Address,
  public: { first: 8000, last: 8100 },
  guestPorts: { first: 7920, last: 8020 },
  state: "pending",
  targets: [],
};
const change = (other: Partial<PublicationState>) =>
  unpublished(forwards, [{ ...published, ...other }]);

test("a forward is published where a publication leads each of its ports to the same one", () => {
  // 8080 leads to 8000 here, and the script's to 80.
  expect(unpublished(forwards, [published])).toEqual(forwards);
  const right = { public: { first: 8080, last: 8080 }, guestPorts: { first: 80, last: 80 } };
  expect(change(right)).toEqual([]);
  const { address: _, ...anywhere } = { ...published, ...right };
  expect(unpublished(forwards, [anywhere])).toEqual([]);
  expect(change({ ...right, guest: "web2" })).toEqual(forwards);
  expect(change({ ...right, protocol: "udp" })).toEqual(forwards);
  expect(change({ ...right, address: "203.0.113.8" as Address })).toEqual(forwards);
});

import { expect, test } from "vitest";
import { parseAddress, type Address } from "../base/address.ts";
import { parseMac, type Mac } from "../base/mac.ts";
import type { Problem } from "../model/problem.ts";
import type { DaemonStatus } from "../wire/daemon-status.ts";
import { printStatus } from "./print-status.ts";

const address = (text: string) => parseAddress(text) as Address;
const mac = parseMac("52:54:00:12:34:56") as Mac;
const web = { first: 80, last: 80 };

const filterTable = {
  by: "nft",
  family: "inet",
  table: "filter",
  firewalls: ["nftables"],
} as const;

const status: DaemonStatus = {
  daemon: {
    pid: 811,
    since: "2026-11-21T08:32:24.773Z",
    version: "0.1.0",
    policyFile: "/etc/virtwall/policy.yaml",
  },
  protection: { mode: "owner" },
  gate: { pid: 812 },
  policy: {
    inForce: "current",
    files: ["/etc/virtwall/policy.yaml"],
    problems: [],
    keptGuests: [],
    keepsFilters: false,
  },
  errors: [],
  networks: [{ name: "default", mode: "nat", bridge: "virbr0", prefixes: ["192.168.122.0/24"] }],
  guests: [
    {
      name: "web1",
      groups: ["web"],
      nics: [
        {
          mac,
          tap: "vnet0",
          network: "default",
          addresses: [{ address: address("192.168.122.10"), source: "lease" }],
          filter: {
            name: "clean-traffic",
            parameters: { GATEWAY: ["192.168.122.1", "192.168.122.2"] },
            state: "enforced",
            learned: [address("192.168.122.10")],
            leased: [address("192.168.122.11"), address("192.168.122.12")],
          },
          libvirtFilter: { name: "allow-arp", parameters: {} },
        },
        {
          mac,
          network: "default",
          addresses: [],
          filter: { name: "none", parameters: {}, state: "closed", reason: "there is no filter" },
        },
      ],
    },
  ],
  publications: [
    {
      guest: "web1",
      protocol: "tcp",
      writtenIn: "policy",
      public: web,
      guestPorts: web,
      state: "active",
      connections: 1,
      targets: [
        { address: address("203.0.113.10"), guestAddress: address("192.168.122.10"), counters: [] },
      ],
    },
    {
      guest: "web1",
      protocol: "udp",
      writtenIn: "guest",
      address: address("203.0.113.10"),
      public: { first: 5000, last: 5010 },
      guestPorts: { first: 6000, last: 6010 },
      state: "pending",
      reason: "web1 has no address yet",
      targets: [],
    },
  ],
  integration: {
    mode: "auto",
    firewalls: [{ name: "nftables", state: "passed" }],
    chains: [
      { ...filterTable, chain: "forward", state: "passed" },
      { ...filterTable, chain: "output", state: "not needed" },
    ],
    contested: { times: 61, by: "nft (pid 4711)" },
  },
  gaps: { tables: { count: 0 }, passRules: { count: 2, lastMs: 3.1, longestMs: 8 } },
};

test("all that is in force, in columns", () => {
  expect(printStatus(status)).toBe(`daemon      running since 2026-11-21T08:32:24Z, pid 811, 0.1.0
gate        running, pid 812
protection  owner: no other program can change or flush our tables
policy      /etc/virtwall/policy.yaml
put back    pass rules 2 times: last in 3.1 ms, longest 8 ms

networks
  default  nat  virbr0  192.168.122.0/24

guests
  web1  vnet0              default  192.168.122.10 (lease)  groups web
        52:54:00:12:34:56  default  no address

filters
  web1  vnet0              clean-traffic  by virtwall                 learned 192.168.122.10; leased 192.168.122.11, 192.168.122.12  GATEWAY=192.168.122.1,192.168.122.2
  web1  vnet0              allow-arp      by libvirt
  web1  52:54:00:12:34:56  none           CLOSED: there is no filter

publications
  web1  tcp/80                   uplinks       active to 192.168.122.10          1 connection
  web1  udp/5000-5010:6000-6010  203.0.113.10  pending: web1 has no address yet                in guest

other firewalls
  found                nftables: passed
  contested            nft (pid 4711) took pass rules away 61 times in 10 s: they are put back once a second now
  inet filter forward  passed
`);
});

test("a guest's name cannot move the cursor", () => {
  const [guest] = status.guests;
  const hostile = { ...status, guests: guest ? [{ ...guest, name: "a\u001b[2J\nb" }] : [] };
  expect(printStatus(hostile)).not.toContain("\u001b");
});

test("what is wrong stands at the top", () => {
  const shown = printStatus({
    ...status,
    daemon: null,
    errors: ["libvirt does not answer"],
    policy: { ...status.policy, inForce: "last-good" },
  });
  expect(shown.slice(0, shown.indexOf("networks"))).toMatch(
    /NOT RUNNING[^]*LAST GOOD[^]*error +libvirt does not answer/,
  );
});

test("a publication of a guest that nobody knows says whose name is near", () => {
  const [, pending] = status.publications;
  const publications = pending ? [{ ...pending, guest: "wbe1" }] : [];
  const at = { file: "/etc/virtwall/policy.yaml", line: 2, column: 3 };
  const problem: Problem = {
    code: "UNKNOWN_GUEST",
    severity: "warning",
    at,
    message: "no guest 'wbe1' runs, but 'web1' does",
    hint: "did you mean 'web1'?",
    guest: "wbe1",
  };
  const policy = { ...status.policy, problems: [problem] };
  expect(printStatus({ ...status, publications, policy })).toContain(
    "pending: web1 has no address yet: did you mean 'web1'?",
  );
  const other = { ...status.policy, problems: [{ ...problem, guest: "wbe2" }] };
  expect(printStatus({ ...status, publications, policy: other })).not.toContain("did you mean");
});

test("a policy file that is gone is not an empty policy", () => {
  const at = { file: "/etc/virtwall/policy.yaml", line: 1, column: 1 };
  const problem = { code: "POLICY_GONE", severity: "error", at, message: "the policy is gone" };
  const policy = { files: [], problems: [problem as Problem], keptGuests: [], keepsFilters: false };
  const text = (inForce: "last-good" | "none") =>
    printStatus({ ...status, policy: { ...policy, inForce } });
  expect(text("last-good")).toContain("policy      LAST GOOD ONE IN FORCE, the policy is gone\n");
  expect(text("none")).toContain("policy      NOT IN FORCE, the policy is gone\n");
});

import { describe, expect, test } from "vitest";
import { parseInventory } from "../parse/inventory.ts";
import { parsePolicy } from "../parse/policy.ts";
import { check } from "./check.ts";
import { laws } from "./laws.ts";
import type { BridgeFacts, HostInterface } from "../model/inventory.ts";
import { parseAddress } from "../base/address.ts";
import { defined } from "../base/defined.ts";
import { parseInterfaceName } from "../base/interface-name.ts";

const networkTexts = {
  default: `<forward mode='nat'/><bridge name='virbr0'/><ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><host mac='52:54:00:00:00:02' ip='192.168.122.20'/></dhcp></ip>`,
  dmz: `<forward mode='route'/><bridge name='virbr1'/><ip address='10.1.0.1' prefix='24'/><ip family='ipv6' address='fd00:1::1' prefix='64'/>`,
  lab: `<bridge name='virbr2'/><ip address='10.2.0.1' prefix='24'/>`,
  lan: `<forward mode='bridge'/><bridge name='br0'/>`,
  bare: `<forward mode='open'/><bridge name='virbr3'/>`,
};

function nicXml(last: number, network: string): string {
  return `<interface type='network'><mac address='52:54:00:00:00:0${last}'/><source network='${network}'/><target dev='vnet${last}'/></interface>`;
}

const guestTexts = {
  web1: nicXml(1, "default"),
  web2: nicXml(2, "default"),
  edge: nicXml(3, "dmz"),
  wire: nicXml(4, "lan"),
  away: `<interface type='network'><mac address='52:54:00:00:00:06'/><source network='gone' bridge='virbr6'/><target dev='vnet6'/></interface>`,
  raw: `<interface type='bridge'><mac address='52:54:00:00:00:05'/><source bridge='br9'/><target dev='vnet5'/></interface>`,
};

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("bad sample");
  return value;
}

const eth0: HostInterface = {
  name: must(parseInterfaceName("eth0")),
  addresses: [must(parseAddress("203.0.113.10")), must(parseAddress("2001:db8::10"))],
  hasDefaultRoute: true,
};

function inventoryOf(interfaces: readonly HostInterface[]) {
  const { inventory, problems } = parseInventory(
    {
      networks: Object.entries(networkTexts).map(([name, text]) => ({
        file: `${name}.xml`,
        text: `<network><name>${name}</name>${text}</network>`,
      })),
      guests: Object.entries(guestTexts).map(([name, text]) => ({
        file: `${name}.xml`,
        text: `<domain><name>${name}</name><devices>${text}</devices></domain>`,
      })),
      leases: [
        {
          file: "virbr0.status",
          text: `[{"ip-address":"192.168.122.7","mac-address":"52:54:00:00:00:01"}]`,
        },
      ],
    },
    interfaces,
  );
  expect(problems).toEqual([]);
  return inventory;
}

function breaches(text: string, interfaces: readonly HostInterface[] = [eth0]) {
  const { policy, problems } = parsePolicy([{ file: "policy.yaml", text }]);
  expect(problems).toEqual([]);
  return check(policy, inventoryOf(interfaces));
}

test("an empty policy breaks no law", () => {
  expect(breaches("")).toEqual([]);
});

test("a guest's name is doubted where one that runs is near, and no number of it is another", () => {
  const [found, ...others] = breaches("guests: { web01: , web10: , wbe3: }");
  expect(others).toEqual([]);
  expect(found).toMatchObject({ guest: "web01", hint: "did you mean 'web1'?" });
});

test("a policy as an admin writes it breaks no law", () => {
  expect(
    breaches(`
host: { uplinks: [eth0], mark: 0x40000000 }
aliases: { admin: [198.51.100.0/24] }
groups:
  web: { ingress: [{ allow: [tcp/80, tcp/443] }, { allow: tcp/22, from: [admin, group:ops] }], egress: [{ deny: tcp/25 }] }
  ops: { ingress: [{ allow: any, from: [group:web, host] }] }
networks:
  default: { mode: nat, nat: { address: 203.0.113.10, ports: 2000-3000 }, reach: [dmz] }
  dmz: { mode: nat, nat: { address: "2001:db8::10" } }
guests:
  web1:
    publish: [{ address: 203.0.113.10, ports: [tcp/80, "tcp/8443:443"] }, { ports: [udp/80], from: admin }]
    nics: { "52:54:00:00:00:01": { address: 192.168.122.10 } }
  edge: { publish: [{ address: 203.0.113.10, ports: tcp/81 }, { address: "2001:db8::10", ports: tcp/80 }] }
  stopped: { groups: [web], publish: [{ ports: tcp/7000-7010 }], nics: { "52:54:00:00:00:99": } }
`).filter(({ code }) => code !== "PUBLISH_CLOSED_BY_GROUP"),
  ).toEqual([]);
});

describe("each law tells its breach at its place", () => {
  test.each([
    // A firewall in a guest.
    ["host: { topology: firewall-vm }", "1:9 error FIREWALL_VM_MISSING"],
    ["host: { firewallVm: { guest: fw, wan: br0 } }", "1:9 error FIREWALL_VM_UNUSED"],
    // Filters.
    ["guests: { web1: { filter: no-such } }", "1:27 error UNKNOWN_FILTER"],
    [
      'guests: { web1: { nics: { "52:54:00:00:00:01": { filter: no-such } } } }',
      "1:58 error UNKNOWN_FILTER",
    ],
    [
      'guests: { web1: { nics: { "52:54:00:00:00:01": { parameters: { IP: x } } } } }',
      "1:27 warning UNUSED_PARAMETERS",
    ],
    // Names.
    ["host: { uplinks: [eth1] }", "1:9 warning UNKNOWN_UPLINK"],
    ["groups: { a: { ingress: [{ allow: any, from: [admin] }] } }", "1:47 error UNKNOWN_ALIAS"],
    ["guests: { x: { publish: [{ ports: tcp/1, from: admin }] } }", "1:48 error UNKNOWN_ALIAS"],
    ["groups: { a: { egress: [{ allow: any, to: 'group:b' }] } }", "1:43 error UNKNOWN_GROUP"],
    ["guests: { x: { groups: [web] } }", "1:25 error UNKNOWN_GROUP"],
    ["networks: { other: { isolate: true } }", "1:13 warning NETWORK_NOT_RUNNING"],
    ["networks: { dmz: { reach: [nowhere] } }", "1:28 error UNKNOWN_NETWORK"],
    ["guests: { WEB1: }", "1:11 warning UNKNOWN_GUEST"],
    ["guests: { wbe1: }", "1:11 warning UNKNOWN_GUEST"],
    ['guests: { web1: { nics: { "52:54:00:00:00:11": } } }', "1:27 warning UNKNOWN_NIC"],
    // Addresses.
    [
      'guests: { a: { nics: { "52:54:00:00:00:0a": { address: 10.0.0.1 } } }, b: { nics: { "52:54:00:00:00:0b": { address: 10.0.0.1 } } } }',
      "1:85 error DUPLICATE_ADDRESS",
    ],
    [
      'guests: { web1: { nics: { "52:54:00:00:00:01": { address: 192.168.122.1 } } } }',
      "1:27 error ADDRESS_OF_HOST",
    ],
    [
      'guests: { web1: { nics: { "52:54:00:00:00:01": { address: 10.9.9.9 } } } }',
      "1:27 warning ADDRESS_OUTSIDE_SUBNET",
    ],
    [
      "guests: { web1: { publish: [{ address: 203.0.113.99, ports: tcp/1 }] } }",
      "1:29 warning ADDRESS_NOT_ON_HOST",
    ],
    [
      "networks: { default: { nat: { address: 203.0.113.99 } } }",
      "1:24 warning ADDRESS_NOT_ON_HOST",
    ],
    [
      "networks: { default: { nat: { address: 203.0.113.10-203.0.113.99 } } }",
      "1:24 warning ADDRESS_NOT_ON_HOST",
    ],
    // Publications.
    ["guests: { web1: { publish: [{ ports: tcp/22 }] } }", "1:38 error PUBLISH_CUTS_FAILSAFE"],
    [
      "{ host: { failsafe: [tcp/2222, udp] }, guests: { web1: { publish: [{ ports: udp/53 }] } } }",
      "1:77 error PUBLISH_CUTS_FAILSAFE",
    ],
    ["guests: { wire: { publish: [{ ports: tcp/1 }] } }", "1:29 warning PUBLISH_ON_BRIDGED"],
    ["guests: { raw: { publish: [{ ports: tcp/1 }] } }", "1:28 warning PUBLISH_ON_BRIDGED"],
    [
      'guests: { web1: { publish: [{ address: "2001:db8::10", ports: tcp/1 }] } }',
      "1:29 warning PUBLISH_FAMILY",
    ],
    [
      'guests: { web2: { publish: [{ address: "2001:db8::10", ports: tcp/1 }] } }',
      "1:29 warning PUBLISH_FAMILY",
    ],
    [
      "{ groups: { g: { ingress: [{ allow: tcp/80 }] } }, guests: { a: { groups: g, publish: [{ ports: tcp/81 }] } } }",
      "1:97 warning PUBLISH_CLOSED_BY_GROUP",
    ],
    [
      "{ groups: { g: { ingress: [{ allow: tcp/80 }] } }, guests: { a: { groups: g, publish: [{ ports: tcp/80-81 }] } } }",
      "1:97 warning PUBLISH_CLOSED_BY_GROUP",
    ],
    [
      "{ groups: { g: { ingress: [{ allow: udp/80 }] } }, guests: { a: { groups: g, publish: [{ ports: tcp/80 }] } } }",
      "1:97 warning PUBLISH_CLOSED_BY_GROUP",
    ],
    [
      "{ groups: { g: { ingress: [{ deny: tcp/80 }] } }, guests: { a: { groups: g, publish: [{ ports: 'tcp/8080:80' }] } } }",
      "1:96 warning PUBLISH_CLOSED_BY_GROUP",
    ],
    // The host's own input.
    ["host: { input: [] }", "1:9 error INPUT_CUTS_FAILSAFE"],
    ["host: { input: [{ allow: udp/22 }] }", "1:9 error INPUT_CUTS_FAILSAFE"],
    ["host: { failsafe: tcp, input: [{ allow: tcp/22 }] }", "1:24 error INPUT_CUTS_FAILSAFE"],
    ["host: { input: [{ allow: any }, { deny: tcp/20-30 }] }", "1:33 error INPUT_CUTS_FAILSAFE"],
    ["host: { input: [{ allow: tcp/22, on: eht0 }] }", "1:38 warning UNKNOWN_INTERFACE"],
    ["host: { input: [{ allow: tcp/22, from: host }] }", "1:9 error INPUT_CUTS_FAILSAFE"],
    [
      "host: { input: [{ allow: tcp/22 }, { deny: any, from: 0.0.0.0/0 }] }",
      "1:36 error INPUT_CUTS_FAILSAFE",
    ],
    [
      "host: { uplinks: eth0, input: [{ allow: tcp/22 }, { deny: tcp/22, on: [eth0, default] }] }",
      "1:51 error INPUT_CUTS_FAILSAFE",
    ],
    [
      "host: { input: [{ allow: tcp, limit: 3/day }, { deny: udp, limit: 3/day }] }",
      "1:47 error LIMIT_ON_DENY",
    ],
    // Groups.
    ["groups: { a: { ingress: [{ deny: tcp/22, limit: 3/minute }] } }", "1:26 error LIMIT_ON_DENY"],
    // Networks.
    ["networks: { default: { mode: route } }", "1:13 warning MODE_CONFLICT"],
    ["networks: { lan: { mode: nat } }", "1:13 warning MODE_CONFLICT"],
    ["networks: { dmz: { nat: { ports: 1-2 } } }", "1:20 warning NAT_UNUSED"],
    ["networks: { bare: { mode: nat } }", "1:13 warning NAT_WITHOUT_SUBNET"],
    ['networks: { default: { nat: { address: "2001:db8::10" } } }', "1:24 warning NAT_FAMILY"],
    ["networks: { dmz: { reach: [dmz] } }", "1:28 warning REACH_SELF"],
    ["networks: { dmz: { reach: [lan] } }", "1:28 warning REACH_BRIDGED"],
    ["networks: { dmz: { reach: [lab] } }", "1:28 warning REACH_ISOLATED"],
    ["networks: { lab: { reach: [dmz] } }", "1:28 warning REACH_ISOLATED"],
  ])("%s", (text, expected) => {
    expect(
      breaches(text).map(({ at, severity, code }) => `${at.line}:${at.column} ${severity} ${code}`),
    ).toEqual([expected]);
  });

  test.each([
    "[{ allow: tcp/21-22, from: 198.51.100.7 }]",
    "[{ allow: any }, { deny: tcp/22, from: 198.51.100.7 }, { deny: tcp/22, on: default }]",
    "[{ allow: tcp/20-21 }, { allow: tcp/22-30 }, { deny: tcp/31 }]",
  ])("an input of the host that leaves the failsafe open is right: %s", (input) => {
    expect(breaches(`host: { failsafe: tcp/21-22, input: ${input} }`)).toEqual([]);
    expect(breaches(`host: { failsafe: [], input: ${input} }`)).toEqual([]);
  });

  test("a mark of two bits, from whatever source, is refused", () => {
    const { policy } = parsePolicy([]);
    const broken = { ...policy, host: { ...policy.host, mark: 3 } };
    expect(check(broken, inventoryOf([])).map(({ code }) => code)).toEqual(["BAD_MARK"]);
  });
});

describe("hints", () => {
  test.each([
    ["groups: { web: { ingress: [{ allow: any, from: web }] } }", "a group is written group:web"],
    ["groups: { a: { ingress: [{ allow: any, from: hsot }] } }", "did you mean 'host'?"],
    ["{ groups: { web: }, guests: { x: { groups: wbe } } }", "did you mean 'web'?"],
    ["networks: { defualt: }", "did you mean 'default'?"],
    ["networks: { dmz: { reach: defautl } }", "did you mean 'default'?"],
    ['guests: { web1: { nics: { "52:54:00:00:00:11": } } }', "did you mean '52:54:00:00:00:01'?"],
    ['guests: { web1: { nics: { "02:00:11:22:33:44": } } }', "it has 52:54:00:00:00:01"],
    ["host: { uplinks: eth1 }", "did you mean 'eth0'?"],
    [
      "networks: { default: { mode: open } }",
      "virtwall adopt 'default' makes the network virtwall's own",
    ],
  ])("%s", (text, hint) => {
    expect(breaches(text).map((problem) => problem.hint)).toEqual([hint]);
  });
});

describe("what is published twice", () => {
  const publish = (first: string, second: string) =>
    breaches(
      `guests:\n  a: { publish: [{ ${first} }] }\n  b: { publish: [{ ${second} }] }\nhost: { failsafe: [] }`,
      [],
    );

  test.each([
    ["ports: tcp/80", "ports: tcp/80"],
    ["ports: tcp/80-90", "ports: tcp/90-99"],
    ["ports: tcp/80", "ports: tcp/1-65535"],
    ["ports: tcp/1-65535", "ports: 'tcp/80:8080'"],
    ["address: 192.0.2.1, ports: tcp/80", "address: 192.0.2.1, ports: tcp/79-81"],
    ["address: 192.0.2.1, ports: tcp/80", "ports: tcp/80"],
    ["ports: tcp/70-90", "address: 192.0.2.1, ports: tcp/80"],
    ['address: "2001:db8:0::1", ports: udp/1', 'address: "2001:DB8::1", ports: udp/1'],
  ])("%s and %s", (first, second) => {
    const problems = publish(first, second);
    expect(problems).toMatchObject([{ code: "PUBLISHED_TWICE", severity: "error" }]);
    expect(problems[0]?.message).toContain("policy.yaml:");
  });

  test.each([
    ["ports: tcp/80", "ports: udp/80"],
    ["ports: tcp/80-89", "ports: tcp/90"],
    ["address: 192.0.2.1, ports: tcp/80", "address: 192.0.2.2, ports: tcp/80"],
    ["address: 192.0.2.1, ports: tcp/80", "ports: tcp/81"],
  ])("is not %s and %s", (first, second) => {
    expect(publish(first, second)).toEqual([]);
  });

  test("names the later place, and the earlier one in its words", () => {
    expect(publish("ports: tcp/80", "ports: tcp/1-100")).toMatchObject([
      {
        at: { line: 3, column: 27 },
        message:
          "tcp/1-100 on every address is published twice: here and as tcp/80 on every address for guest 'a' at policy.yaml:2:27",
      },
    ]);
  });

  test("is found within one guest", () => {
    const problems = breaches("guests: { a: { publish: [{ ports: [tcp/80, 'tcp/80:81'] }] } }", []);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain("the same guest");
  });
});

describe("failsafe ports of the host stay its own", () => {
  test.each([
    "guests: { web1: { publish: [{ ports: 'tcp/2222:22' }] } }",
    "guests: { web1: { publish: [{ ports: udp/22 }] } }",
    "guests: { away: { publish: [{ ports: udp/22 }] } }",
    "guests: { web1: { publish: [{ address: 203.0.113.10, ports: tcp/22 }] } }",
    "{ host: { failsafe: tcp/2200 }, guests: { web1: { publish: [{ ports: tcp/22 }] } } }",
  ])("%s", (text) => {
    expect(breaches(text)).toEqual([]);
  });
});

describe("groups that open what is published", () => {
  const publish = (rules: string, ports: string) =>
    breaches(
      `{ host: { failsafe: [] }, groups: { g: { ingress: [${rules}] } }, guests: { a: { groups: g, publish: [{ ports: ${ports} }] } } }`,
      [],
    );

  test.each([
    ["{ allow: any }", "tcp/1-65535"],
    ["{ allow: tcp }", "tcp/80"],
    ["{ allow: tcp/80 }", "'tcp/8080:80'"],
    ["{ allow: tcp/1-50 }, { allow: [tcp/51-60, tcp/40-55] }", "tcp/10-60"],
    ["{ allow: tcp/80, from: 192.0.2.1 }", "tcp/80"],
    ["{ deny: tcp/80, from: 192.0.2.1 }", "tcp/80"],
    ["{ deny: tcp/81 }", "tcp/80"],
    ["", "tcp/80"],
  ])("[%s] and %s", (rules, ports) => {
    expect(publish(rules, ports)).toEqual([]);
  });
});

test("guests that differ by a number are two guests", () => {
  expect(breaches("guests: { web3: , web12: }")).toEqual([]);
});

test("without host facts nothing is said of addresses and uplinks", () => {
  expect(
    breaches(
      "{ host: { uplinks: eth7 }, guests: { web1: { publish: [{ address: 198.51.100.1, ports: tcp/1 }] } } }",
      [],
    ),
  ).toEqual([]);
});

test("a network that is to come may be reached if the policy names it", () => {
  expect(breaches("networks: { dmz: { reach: later }, later: }").map(({ code }) => code)).toEqual([
    "NETWORK_NOT_RUNNING",
  ]);
});

test("ten thousand publications are checked within a second or two", () => {
  const entries = Array.from({ length: 10_000 }, (_, n) => `tcp/${n + 1}, udp/${60_000 - n}`).join(
    ", ",
  );
  const { policy } = parsePolicy([
    {
      file: "p",
      text: `{ host: { failsafe: [] }, guests: { a: { publish: [{ ports: [${entries}] }] } } }`,
    },
  ]);
  expect(check(policy, inventoryOf([eth0]))).toEqual([]);
}, 20_000);

test("every law is listed once", () => {
  expect(new Set(laws).size).toBe(laws.length);
});

describe("what guests' own XML says", () => {
  const web1 = (body: string, name = "web1") =>
    ({
      file: `${name}.xml`,
      text: `<domain><name>${name}</name><metadata><guest xmlns="https://virtwall.dev/guest/1">${body}</guest></metadata></domain>`,
    }) as const;
  const found = (policyText: string, ...guests: { file: string; text: string }[]) => {
    const { policy, problems } = parsePolicy([{ file: "policy.yaml", text: policyText }]);
    const parsed = parseInventory({ networks: [], guests, leases: [] }, [eth0]);
    expect([...problems, ...parsed.problems]).toEqual([]);
    return check(policy, parsed.inventory).map(
      ({ code, at, message }) => `${code} ${at.file}: ${message}`,
    );
  };
  const publish = (ports: string) => `<publish><ports>${ports}</ports></publish>`;

  test("is policy like any other", () => {
    expect(found("", web1(publish("tcp/80") + "<groups>web</groups>"))).toEqual([
      "UNKNOWN_GROUP web1.xml: there is no group 'web'",
    ]);
  });

  test("may stand beside other keys of the same guest in a file", () => {
    expect(
      found("groups: { web: {} }\nguests: { web1: { groups: [web] } }", web1(publish("tcp/80"))),
    ).toEqual([]);
  });

  test("and a file says too is a mistake of the guest's, with both places", () => {
    const policy = "guests: { web1: { publish: [{ ports: tcp/81 }] } }";
    expect(found(policy, web1(publish("tcp/80")))).toEqual([
      "DUPLICATE_KEY web1.xml: 'publish' of guest 'web1' is given twice: in its own XML and at policy.yaml:1:19",
    ]);
  });

  test("and a file publishes for another guest is a mistake of the guest's", () => {
    const policy = "guests: { web2: { publish: [{ ports: tcp/80 }] } }";
    const [problem, ...more] = found(policy, web1(publish("tcp/80")));
    expect(problem).toMatch(/^PUBLISHED_TWICE web1\.xml: .*policy\.yaml:1/);
    expect(more).toEqual([]);
  });

  test("and another guest's says too is a mistake of both", () => {
    const problems = found("", web1(publish("tcp/80")), web1(publish("tcp/80"), "web2"));
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      "PUBLISHED_TWICE web1.xml",
      "PUBLISHED_TWICE web2.xml",
    ]);
  });

  test("hides no mistake in the files", () => {
    const policy =
      "guests: { a: { publish: [{ ports: tcp/80 }] }, b: { publish: [{ ports: tcp/80 }] } }";
    const problems = found(policy, web1(publish("tcp/1-1000")));
    expect(problems.filter((problem) => /^\w+ policy\.yaml:/.test(problem))).toHaveLength(1);
  });
});

test("groups that do not judge a nic, since no bridge carries it, are told once a guest", () => {
  const nic = (type: string, last: number, more: string) =>
    `<interface type='${type}'><mac address='52:54:00:00:00:0${last}'/>${more}</interface>`;
  const odd = [
    nic("direct", 7, "<source dev='eth0' mode='bridge'/><target dev='macvtap0'/>"),
    nic("bridge", 8, "<source bridge='br9'/><target dev='vnet8'/>"),
    nic("ethernet", 9, "<target dev='tap9'/>"),
    nic("vhostuser", 6, "<target dev='vhu0'/>"),
  ].join("");
  const text = "{ groups: { g: }, guests: { odd: { groups: g }, web1: { groups: g } } }";
  const { policy } = parsePolicy([{ file: "policy.yaml", text }]);
  const guest = `<domain><name>odd</name><devices>${odd}</devices></domain>`;
  const { inventory } = parseInventory(
    { networks: [], guests: [{ file: "odd.xml", text: guest }], leases: [] },
    [
      {
        name: must(parseInterfaceName("tap9")),
        addresses: [],
        hasDefaultRoute: false,
        kind: "tun",
      },
    ],
  );
  const told = check(policy, inventory).filter(({ code }) => code === "GROUPS_OFF_BRIDGE");
  expect(told.map(({ at, message }) => `${at.column} ${message}`)).toEqual([
    "44 the groups of 'odd' do not judge nic 52:54:00:00:00:07 (a nic of type 'direct' is on no bridge)" +
      " and nic 52:54:00:00:00:09 (tap9 is a port of no bridge)" +
      " and nic 52:54:00:00:00:06 (a nic of type 'vhostuser' is on no bridge)",
  ]);
});

describe("groups of guests on one bridge", () => {
  const text = "{ groups: { g: }, guests: { web1: { groups: g }, wire: { groups: g } } }";
  const told = (policyText: string, isBridgeFiltered?: boolean) => {
    const { policy } = parsePolicy([{ file: "policy.yaml", text: policyText }]);
    const inventory = inventoryOf([eth0]);
    const bridges: BridgeFacts | undefined =
      isBridgeFiltered === undefined ? undefined : { filtered: isBridgeFiltered ? [4] : [] };
    const host = defined({ ...inventory.host, bridges });
    return check(policy, { ...inventory, host }).map(
      ({ at, code, message }) => `${at.column} ${code} ${message.split(":")[0]}`,
    );
  };

  test("are told as long as the kernel does not filter what stays on it", () => {
    expect(told(text, false)).toEqual([
      `29 GROUPS_ON_ONE_BRIDGE the groups of 'web1' do not judge what stays on the bridge virbr0`,
      `50 GROUPS_ON_ONE_BRIDGE the groups of 'wire' do not judge what stays on the bridge br0`,
    ]);
    expect(told(text, true)).toEqual([]);
    expect(told(text)).toEqual([]);
  });

  test("are nothing to tell of a guest alone behind the host, or of an isolated network", () => {
    expect(told("{ groups: { g: }, guests: { edge: { groups: g } } }", false)).toEqual([]);
    const isolated =
      "{ groups: { g: }, networks: { default: { isolate: true } }, guests: { web1: { groups: g } } }";
    expect(told(isolated, false)).toEqual([]);
  });
});

import { describe, expect, test } from "vitest";
import { parsePolicy } from "./policy.ts";

function parse(...texts: string[]) {
  return parsePolicy(
    texts.map((text, index) => ({ file: index === 0 ? "policy.yaml" : `${index}.yaml`, text })),
  );
}

/** `line:column CODE` of each problem. */
function places(...texts: string[]): string[] {
  return parse(...texts).problems.map(({ at, code }) => `${at.line}:${at.column} ${code}`);
}

/** The only problem of a policy. */
function problemOf(...texts: string[]) {
  const { problems } = parse(...texts);
  expect(problems).toHaveLength(1);
  return problems[0];
}

const full = `
host:
  integration: print
  mark: 0x20000000
  uplinks: [eth0, eth1]
  input:
    - { allow: [tcp/22, udp/51820], from: [admin] }
  failsafe: [tcp/2222]
  topology: firewall-vm
  firewallVm: { guest: fw, wan: br-wan }
aliases:
  admin: [198.51.100.0/24, "2001:db8::/32"]
  Me: 192.0.2.1
groups:
  web:
    ingress:
      - { allow: [tcp/80, tcp/443] }
      - { allow: tcp/22, from: [admin, group:bastion, host, any, 192.0.2.0/24], log: true, limit: 10/minute }
    egress:
      - { deny: tcp/25, to: Me }
      - allow: [any, icmp, tcp, udp/5000-5010]
networks:
  default: { mode: nat, nat: { address: 203.0.113.7, ports: 1024-65535 }, isolate: true, reach: [dmz], services: tcp/3142 }
  dmz:
guests:
  web1:
    required: true
    publish:
      - { address: 203.0.113.10, ports: [tcp/80, "tcp/2222:22", udp/5000-5010:6000-6010], from: [any] }
      - ports: tcp/8080
    groups: [web]
    filter: clean-traffic
    nics:
      "52:54:00:12:34:AB": { filter: x, parameters: { IP: [192.168.122.10], N: 5 }, address: [192.168.122.10, "fd00::1"] }
`;

describe("a full policy", () => {
  const { policy, problems } = parse(full);

  test("has no problems", () => {
    expect(problems).toEqual([]);
  });

  test("keeps what is said of the host", () => {
    expect(policy.host).toMatchObject({
      integration: "print",
      mark: 0x20000000,
      uplinks: ["eth0", "eth1"],
      failsafe: [{ kind: "ports", protocol: "tcp", ports: { first: 2222, last: 2222 } }],
      topology: "firewall-vm",
      firewallVm: { guests: ["fw"], wan: "br-wan" },
      at: { file: "policy.yaml", line: 2, column: 1 },
    });
    expect(policy.host.input).toHaveLength(1);
  });

  test("keeps aliases as prefixes, one or many", () => {
    expect(policy.aliases.get("admin")?.members).toEqual([
      { family: 4, address: "198.51.100.0", length: 24 },
      { family: 6, address: "2001:db8::", length: 32 },
    ]);
    expect(policy.aliases.get("Me")?.members).toEqual([
      { family: 4, address: "192.0.2.1", length: 32 },
    ]);
  });

  test("keeps rules of both directions with the place of each peer", () => {
    const web = policy.groups.get("web");
    expect(web?.ingress[1]).toMatchObject({
      verdict: "allow",
      log: true,
      limit: { count: 10, per: "minute" },
      peers: [
        { kind: "alias", name: "admin", at: { line: 18, column: 33 } },
        { kind: "group", name: "bastion" },
        { kind: "host" },
        { kind: "any" },
        { kind: "prefix", prefix: { address: "192.0.2.0", length: 24 } },
      ],
    });
    expect(web?.egress[0]).toMatchObject({
      verdict: "deny",
      log: false,
      peers: [{ kind: "alias", name: "Me", at: { line: 20, column: 29 } }],
    });
    expect(web?.egress[1]?.services).toEqual([
      { kind: "any" },
      { kind: "protocol", protocol: "icmp" },
      { kind: "protocol", protocol: "tcp" },
      { kind: "ports", protocol: "udp", ports: { first: 5000, last: 5010 } },
    ]);
  });

  test("keeps networks, and takes an empty one for one without wishes", () => {
    expect(policy.networks.get("default")).toMatchObject({
      mode: "nat",
      nat: {
        addresses: { first: "203.0.113.7", last: "203.0.113.7" },
        ports: { first: 1024, last: 65535 },
      },
      isolate: true,
      reach: [{ name: "dmz" }],
      services: [{ kind: "ports", protocol: "tcp" }],
    });
    expect(policy.networks.get("dmz")).toEqual({
      name: "dmz",
      isolate: false,
      reach: [],
      services: [],
      at: { file: "policy.yaml", line: 24, column: 3 },
    });
  });

  test("keeps publications with ranges that map one to one", () => {
    const web1 = policy.guests.get("web1");
    expect(web1?.publish[0]).toMatchObject({
      address: "203.0.113.10",
      ports: [
        { protocol: "tcp", public: { first: 80 }, guest: { first: 80 } },
        { protocol: "tcp", public: { first: 2222 }, guest: { first: 22 } },
        {
          protocol: "udp",
          public: { first: 5000, last: 5010 },
          guest: { first: 6000, last: 6010 },
        },
      ],
    });
    expect(web1?.publish[1]).not.toHaveProperty("address");
    expect(web1?.publish[1]?.from).toEqual([]);
  });

  test("keeps nics by their MAC in small letters", () => {
    const [nic] = policy.guests.get("web1")?.nics.values() ?? [];
    expect(nic).toMatchObject({
      mac: "52:54:00:12:34:ab",
      addresses: ["192.168.122.10", "fd00::1"],
    });
    expect(nic?.parameters).toEqual(
      new Map([
        ["IP", ["192.168.122.10"]],
        ["N", ["5"]],
      ]),
    );
  });
});

describe("an empty policy", () => {
  test.each([[[]], [[""]], [["# nothing\n"]], [["---\n"]], [["{}"]], [["host:\nguests:\n"]]])(
    "%j has the defaults and no problems",
    (texts) => {
      const { policy, problems } = parse(...texts);
      expect(problems).toEqual([]);
      expect(policy.host).toMatchObject({
        integration: "auto",
        mark: 0x10000000,
        topology: "host",
        failsafe: [{ kind: "ports", protocol: "tcp", ports: { first: 22, last: 22 } }],
      });
      expect(policy.guests.size + policy.groups.size + policy.networks.size).toBe(0);
    },
  );
});

describe("mistakes", () => {
  test.each([
    ["hots: {}", "1:1", "UNKNOWN_KEY", "did you mean 'host'?"],
    ["guests: { a: { pubish: [] } }", "1:16", "UNKNOWN_KEY", "did you mean 'publish'?"],
    [
      "guests: { a: { zzz: [] } }",
      "1:16",
      "UNKNOWN_KEY",
      "keys here: publish, groups, filter, nics, required",
    ],
    ["guests: { a: { publish: [{ ports: 80 }] } }", "1:35", "BAD_TYPE", "write tcp/80"],
    ["guests: { a: { publish: [{ ports: [80] }] } }", "1:36", "BAD_TYPE", "write tcp/80"],
    ["guests: { a: { publish: [{ ports: 80/tcp }] } }", "1:35", "BAD_VALUE", "write tcp/80"],
    ["guests: { a: { publish: [{ ports: tcp:80 }] } }", "1:35", "BAD_VALUE", "write tcp/80"],
    ["guests: { a: { publish: [{ ports: TCP/80 }] } }", "1:35", "BAD_VALUE", "write tcp/80"],
    ["guests: { a: { publish: [{ ports: tpc/80 }] } }", "1:35", "BAD_VALUE", "did you mean 'tcp'?"],
    [
      "guests: { a: { publish: [{ ports: tcp }] } }",
      "1:35",
      "BAD_VALUE",
      "write tcp/80, tcp/2222:22 or udp/5000-5010",
    ],
    ["guests: { a: { publish: [{ ports: tcp/90-80 }] } }", "1:35", "BAD_VALUE", "write tcp/80-90"],
    [
      "guests: { a: { publish: [{ ports: 'tcp/80,443' }] } }",
      "1:35",
      "BAD_VALUE",
      "a list: [tcp/80, tcp/443]",
    ],
    [
      "guests: { a: { publish: [{ ports: 'tcp/80-90:22' }] } }",
      "1:35",
      "BAD_VALUE",
      "ports map one to one: write tcp/80-90:22-32",
    ],
    [
      "guests: { a: { publish: [{ ports: 'tcp/1:2:3' }] } }",
      "1:35",
      "BAD_VALUE",
      "write tcp/PUBLIC:GUEST",
    ],
    ["guests: { a: { publish: [{ ports: tcp/65536 }] } }", "1:35", "BAD_VALUE", undefined],
    [
      "guests: { a: { publish: [{ address: 203.0.113.1 }] } }",
      "1:26",
      "MISSING_KEY",
      "write it like tcp/80 or tcp/2222:22 or udp/5000-5010:6000-6010",
    ],
    [
      "guests: { a: { publish: [{ ports: tcp/80, address: example.org }] } }",
      "1:52",
      "BAD_VALUE",
      "names are not looked up: write the address",
    ],
    [
      "guests: { a: { publish: [{ ports: tcp/80, to: any }] } }",
      "1:43",
      "UNKNOWN_KEY",
      "did you mean 'from'?",
    ],
    [
      "guests: { a: { publish: { ports: tcp/80 } } }",
      "1:25",
      "BAD_TYPE",
      "put it into a list: [{ … }], or '- ' before it",
    ],
    ["guests: { a: { publish: tcp/80 } }", "1:25", "BAD_TYPE", "write [{ ports: tcp/80 }]"],
    ["guests: { a: { publish: [tcp/80] } }", "1:26", "BAD_TYPE", "write { ports: tcp/80 }"],
    [
      "groups: { w: { ingress: { allow: tcp/1 } } }",
      "1:25",
      "BAD_TYPE",
      "put it into a list: [{ … }], or '- ' before it",
    ],
    ["groups: { w: { egress: [tcp/1] } }", "1:25", "BAD_TYPE", "write { allow: tcp/1 }"],
    ["guests: { a: { publish: [{ ports: http }] } }", "1:35", "BAD_VALUE", "write tcp/80"],
    ["groups: { w: { ingress: [{ allow: dns }] } }", "1:35", "BAD_VALUE", "write [tcp/53, udp/53]"],
    [
      "guests: { a: { publish: [{ ports: sctp/9000 }] } }",
      "1:35",
      "BAD_VALUE",
      "write tcp/80, tcp/2222:22 or udp/5000-5010",
    ],
    ["guests: { a: { publish: [], groups: 1web } }", "1:37", "BAD_VALUE", undefined],
    [
      "guests: { a: { nics: { '52:54': {} } } }",
      "1:24",
      "BAD_NAME",
      "write it like 52:54:00:12:34:56",
    ],
    [
      "guests: { a: { nics: { '52:54:00:00:00:AA': { filter: f }, '52:54:00:00:00:aa': {} } } }",
      "1:81",
      "BAD_VALUE",
      "put both into one entry",
    ],
    ["guests: [web1]", "1:9", "BAD_TYPE", "write each by its name, as in web1: { … }"],
    ["guests:\n  - web1\n", "2:3", "BAD_TYPE", "write each by its name, as in web1: { … }"],
    [
      "guests:\n  - name: db\n    groups: web\n",
      "2:3",
      "BAD_TYPE",
      "write each by its name, as in db: { … }",
    ],
    ["guests: web1", "1:9", "BAD_TYPE", "write each by its name, as in web1: { … }"],
    ["guests: ['a b']", "1:9", "BAD_TYPE", "write each by its name, as in web1: { … }"],
    [
      "aliases: [admin]",
      "1:10",
      "BAD_TYPE",
      "write each by its name, as in admin: 198.51.100.0/24",
    ],
    [
      "guests: { a: { nics: ['52:54:00:12:34:56'] } }",
      "1:22",
      "BAD_TYPE",
      "write each by its name, as in 52:54:00:12:34:56: { … }",
    ],
    ["groups: { w: [{ allow: tcp/1 }] }", "1:14", "BAD_TYPE", "keys here: ingress, egress"],
    [
      "guests: { a: [{ ports: tcp/1 }] }",
      "1:14",
      "BAD_TYPE",
      "keys here: publish, groups, filter, nics, required",
    ],
    ["guests: { 'a/b': {} }", "1:11", "BAD_NAME", undefined],
    [
      "groups: { w: { ingress: [{ allow: tcp/22, form: any }] } }",
      "1:43",
      "UNKNOWN_KEY",
      "did you mean 'from'?",
    ],
    [
      "groups: { w: { ingress: [{ log: true }] } }",
      "1:26",
      "BAD_VALUE",
      "one of them a rule, as in { allow: tcp/22 }",
    ],
    [
      "groups: { w: { ingress: [{ allow: tcp/1, deny: tcp/2 }] } }",
      "1:26",
      "BAD_VALUE",
      "one of them a rule, as in { allow: tcp/22 }",
    ],
    [
      "groups: { w: { egress: [{ allow: tcp/1, from: any }] } }",
      "1:41",
      "UNKNOWN_KEY",
      "did you mean 'to'?",
    ],
    [
      "groups: { w: { egress: [{ allow: tcp/1, limit: 10 }] } }",
      "1:48",
      "BAD_TYPE",
      "write it like 10/minute",
    ],
    [
      "groups: { w: { egress: [{ allow: tcp/1, limit: 10/min }] } }",
      "1:48",
      "BAD_VALUE",
      "write it like 10/minute: a count, then second, minute, hour or day",
    ],
    ["groups: { w: { egress: [{ allow: all }] } }", "1:34", "BAD_VALUE", "write any"],
    [
      "groups: { w: { egress: [{ allow: icmpv6 }] } }",
      "1:34",
      "BAD_VALUE",
      "icmp stands for ICMP and ICMPv6",
    ],
    ["groups: { w: { egress: [{ allow: tcp/1, to: 'group:' }] } }", "1:45", "BAD_VALUE", undefined],
    [
      "groups: { w: { egress: [{ allow: tcp/1, to: 10.0.0.1/8 }] } }",
      "1:45",
      "BAD_VALUE",
      "write 10.0.0.0/8, or 10.0.0.1 for the one address",
    ],
    ["groups: { any: {} }", "1:11", "BAD_NAME", undefined],
    ["groups: { web-server-of-the-shop: {} }", "1:11", "BAD_NAME", undefined],
    ["aliases: { 'a b': 192.0.2.1 }", "1:12", "BAD_NAME", undefined],
    ["aliases: { a: 192.0.2.0/240 }", "1:15", "BAD_VALUE", "write 192.0.2.0/32"],
    ["aliases: { a: 192.0.2.300 }", "1:15", "BAD_VALUE", "each of the four numbers is at most 255"],
    ["aliases: { a: fe80::1%eth0 }", "1:15", "BAD_VALUE", "without a zone"],
    ["networks: { n: { isolate: no } }", "1:27", "BAD_TYPE", "write false"],
    ["networks: { n: { mode: NAT } }", "1:24", "BAD_VALUE", "did you mean 'nat'?"],
    ["networks: { n: { mode: } }", "1:18", "BAD_VALUE", "one of nat, route, isolated, open"],
    ["networks: { n: { nat: { ports: 1024 } } }", "1:32", "BAD_TYPE", "write it like 1024-65535"],
    [
      "networks: { n: { nat: { address: 192.0.2.0/24 } } }",
      "1:34",
      "BAD_VALUE",
      "one address, without a length",
    ],
    [
      "networks: { n: { nat: { address: 192.0.2.9-192.0.2.7 } } }",
      "1:34",
      "BAD_VALUE",
      "write it like 203.0.113.7-203.0.113.9: both of one family, the lower one first",
    ],
    ["host: { mark: 3 }", "1:15", "BAD_VALUE", "write it like 0x10000000"],
    ["host: { mark: 0 }", "1:15", "BAD_VALUE", "write it like 0x10000000"],
    ["host: { mark: 0x100000000 }", "1:15", "BAD_VALUE", "write it like 0x10000000"],
    [
      "host: { uplinks: 'eth 0' }",
      "1:18",
      "BAD_VALUE",
      "1 to 15 letters, digits and any of _ . @ + -",
    ],
    ["host: { integration: on }", "1:22", "BAD_VALUE", "one of auto, print, off"],
    ["host: { firewallVm: { guest: fw } }", "1:21", "MISSING_KEY", "write it like eth0"],
    ["- 1", "1:1", "BAD_TYPE", "keys here: host, aliases, groups, networks, guests"],
    ["just words", "1:1", "BAD_TYPE", "keys here: host, aliases, groups, networks, guests"],
    ["? [a]\n: b", "1:3", "BAD_KEY", undefined],
    ["guests: { __proto__: {} }", "1:11", "BAD_KEY", undefined],
    ["guests:\n\t a: 1", "2:1", "BAD_YAML", "indent with spaces"],
    [
      "guests:\n  web1\n    groups: web",
      "2:3",
      "BAD_YAML",
      "write it as KEY: VALUE, or indent it as a part of the line before",
    ],
    ["guests:\n  a: {}\n   b: {}", "3:1", "BAD_YAML", "begin it in the column of its neighbours"],
    [
      "guests:\n  a: { groups: [b, c]\n",
      "3:1",
      "BAD_YAML",
      "end with '}' what is open above, further right than its key",
    ],
    ["a: 1\n---\nb: 2", "2:1", "BAD_YAML", "one document a file: split it into files of policy.d"],
    ["guests: {}\n# fr\uFFFDnt", "2:5", "NOT_TEXT", "write the file anew, saved as UTF-8"],
    ["\u007fELF\0\0", "1:5", "NOT_TEXT", "write the file anew, saved as UTF-8"],
    ["guests: *nobody", "1:9", "BAD_YAML", undefined],
    ["guests: !exec { a: {} }", "1:9", "BAD_YAML", undefined],
  ])("%s", (text, ...[place, code, hint]) => {
    const problem = problemOf(text);
    expect(`${problem?.at.line}:${problem?.at.column}`).toBe(place);
    expect(problem).toMatchObject({ code, severity: "error" });
    expect(problem?.hint).toBe(hint);
  });

  test("are told all at once, in order", () => {
    const text = `
guests:
  web1:
    publish:
      - { ports: tcp/0 }
      - {}
    grups: [web]
  web1: {}
aliases: { a: nowhere }
`;
    expect(places(text)).toEqual([
      "5:18 BAD_VALUE",
      "6:9 MISSING_KEY",
      "7:5 UNKNOWN_KEY",
      "8:3 DUPLICATE_KEY",
      "9:15 BAD_VALUE",
    ]);
  });

  test("leave the rest of the policy readable", () => {
    const { policy } = parse(
      "aliases: { good: 192.0.2.1, bad: x }\nguests: { a: { publish: [{ ports: [tcp/1, 2] }] }, b: 7 }",
    );
    expect(policy.aliases.get("good")?.members).toHaveLength(1);
    expect(policy.guests.get("a")?.publish[0]?.ports).toHaveLength(1);
    expect(policy.guests.has("b")).toBe(false);
  });

  test("beyond a hundred are counted", () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `key${index}: 1`).join("\n");
    const { problems } = parse(keys);
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)?.message).toBe("900 more problems are not shown");
  });
});

describe("several files", () => {
  test("merge deeply", () => {
    const { policy, problems } = parse(
      "guests: { web1: { groups: [web] } }\ngroups: { web: }",
      "guests: { web1: { required: true }, web2: }",
      "",
      "groups: { db: { ingress: [{ allow: tcp/5432 }] } }",
    );
    expect(problems).toEqual([]);
    expect(policy.guests.get("web1")).toMatchObject({ required: true, groups: [{ name: "web" }] });
    expect([...policy.guests.keys()]).toEqual(["web1", "web2"]);
    expect(policy.groups.get("db")?.at.file).toBe("3.yaml");
  });

  test.each([
    ["guests: { a: { required: true } }", "guests: { a: { required: true } }", "'required'"],
    ["guests: { a: { groups: [x] } }", "guests: { a: { groups: [y] } }", "'groups'"],
    ["guests: { a: { groups: x } }", "guests: { a: { groups: { y: z } } }", "'groups'"],
  ])("refuse what both say: %s", (first, second, key) => {
    const problem = problemOf(first, second);
    expect(problem).toMatchObject({
      code: "DUPLICATE_KEY",
      at: { file: "1.yaml", line: 1, column: 16 },
    });
    expect(problem?.message).toBe(`${key} is given twice: here and at policy.yaml:1:16`);
  });

  test("one that is no YAML does not hide the others' mistakes", () => {
    expect(places("guests: [", "hots: 1").map((text) => text.split(" ")[1])).toEqual([
      "BAD_YAML",
      "UNKNOWN_KEY",
    ]);
  });
});

describe("hostile YAML", () => {
  const bomb = [
    "a: &a [x,x,x,x,x,x,x,x,x]",
    ..."bcdefghij".split("").map((name, index) => {
      const before = "abcdefghij"[index];
      return `${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`;
    }),
  ].join("\n");

  test.each([
    ["an alias bomb", bomb],
    ["an alias inside itself", "guests: &g { a: *g }"],
    ["deep flow", "[".repeat(100_000)],
    ["deep flow that closes", "[".repeat(100_000) + "]".repeat(100_000)],
    ["deep mappings", "{a: ".repeat(100_000)],
    ["deep compact lists", "- ".repeat(100_000)],
    ["deep compact keys", "? ".repeat(100_000)],
    ["deep blocks", Array.from({ length: 2000 }, (_, n) => `${" ".repeat(n)}a:`).join("\n")],
    ["a name of ten megabytes", `guests: { ${"x".repeat(10 * 1024 * 1024)}: 1 }`],
    ["a name of one megabyte", `guests: { ${"x".repeat(1024 * 1024)}: 1 }`],
    ["NUL and control characters", "guests: { a\0\x1b: { publish: \x07 } }"],
    ["many anchors", Array.from({ length: 2000 }, (_, n) => `k${n}: &a${n} 1`).join("\n")],
    ["many aliases", `a: &a 1\n${Array.from({ length: 2000 }, (_, n) => `k${n}: *a`).join("\n")}`],
    ["many quotes", '"'.repeat(10_000)],
    ["many colons", ":".repeat(10_000)],
    ["many tags", "!a ".repeat(2000)],
    ["many documents", "---\n".repeat(2000)],
    ["many mistakes in one list", `aliases: { a: [${"1,".repeat(20_000)}] }`],
    ["many unclosed flows", "[\n".repeat(200)],
  ])(
    "%s is a problem within seconds",
    (_, text) => {
      const { problems } = parse(text);
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.length).toBeLessThanOrEqual(101);
      for (const { message } of problems) expect(message.length).toBeLessThan(500);
    },
    15_000,
  );
});

describe("parameters of a filter", () => {
  const withParameters = (parameters: string) =>
    `guests: { g: { nics: { "52:54:00:00:00:01": { parameters: ${parameters} } } } }`;

  test.each([
    ["{ 'E;flush': [1] }", "1:61 BAD_NAME", "'E;flush' cannot be the name of a parameter"],
    ["{ IP-4: [1] }", "1:61 BAD_NAME", "'IP-4' cannot be the name of a parameter"],
    [
      "{ MAC: '00:11:22:33:44:55' }",
      "1:61 BAD_NAME",
      "'MAC' is the nic's own address and no parameter",
    ],
    ["{ E: '; flush ruleset' }", "1:64 BAD_VALUE", "'; flush ruleset' cannot be the value"],
    ["{ E: [a, 10.0.0.0/24] }", "1:68 BAD_VALUE", "'10.0.0.0/24' cannot be the value"],
    ["{ E: '' }", "1:64 BAD_VALUE", "'' cannot be the value"],
  ])("%s cannot be", (parameters, place, message) => {
    expect(places(withParameters(parameters))).toEqual([place]);
    expect(problemOf(withParameters(parameters))?.message).toContain(message);
  });

  test("are numbers and words as libvirt takes them, each with its place", () => {
    const { policy, problems } = parse(withParameters("{ a_1: ['fe80::1', NEW], B: 80 }"));
    expect(problems).toEqual([]);
    const nic = [...(policy.guests.get("g")?.nics.values() ?? [])][0];
    expect([...(nic?.parameters ?? [])]).toEqual([
      ["a_1", ["fe80::1", "NEW"]],
      ["B", ["80"]],
    ]);
    expect(nic?.parametersAt?.get("B")?.column).toBe(84);
  });
});

import { describe, expect, test } from "vitest";
import { formatPrefix } from "../base/address.ts";
import type { Forward } from "./forward.ts";
import { readForwards } from "./read-forwards.ts";

function read(text: string): {
  readonly forwards: readonly string[];
  readonly left: readonly string[];
} {
  const found = readForwards({ file: "f", text });
  if (found === undefined) throw new Error("not known");
  return {
    forwards: found.forwards.map(describeForward),
    left: found.notCarried.map(({ at, reason }) => `${at.line}: ${reason}`),
  };
}

function describeForward(forward: Forward): string {
  const { guest = "?", address = "*", protocol, guestAddress, from } = forward;
  const [open, inside] = [forward.public, forward.guestPorts].map(
    ({ first, last }) => `${first}-${last}`,
  );
  const who = from === undefined ? "" : ` from ${formatPrefix(from)}`;
  const by = forward.interface === undefined ? "" : ` by ${forward.interface}`;
  return `${protocol} ${address} ${open} -> ${guest} ${guestAddress} ${inside}${who}${by}`;
}

describe("a hook script", () => {
  test("with a list of ports forwards each of them", () => {
    const script = `#!/bin/bash
# forwards for web1
GUEST="web1"
PUBLIC_IP=203.0.113.7
PRIVATE_IP=10.20.0.11
PORTS=tcp:80,tcp:8443:443,udp:5000-5010

for entry in $PORTS; do
  iptables -t nat -I PREROUTING -d "$PUBLIC_IP" -p "$protocol" --dport "$port" -j DNAT --to "$PRIVATE_IP:$port"
done
`;
    expect(read(script)).toEqual({
      forwards: [
        "tcp 203.0.113.7 80-80 -> web1 10.20.0.11 80-80",
        "tcp 203.0.113.7 8443-8443 -> web1 10.20.0.11 443-443",
        "udp 203.0.113.7 5000-5010 -> web1 10.20.0.11 5000-5010",
      ],
      left: [],
    });
  });

  test("of libvirt's wiki, with a block for each guest, is read block by block", () => {
    const block = (guest: string, last: number, port: number) => `
if [ "\${1}" = "${guest}" ]; then
   GUEST_IP=10.20.0.${last}
   GUEST_PORT=22
   HOST_PORT=${port}
   if [ "\${2}" = "stopped" ] || [ "\${2}" = "reconnect" ]; then
	/sbin/iptables -D FORWARD -o virbr0 -p tcp -d $GUEST_IP --dport $GUEST_PORT -j ACCEPT
	/sbin/iptables -t nat -D PREROUTING -p tcp --dport $HOST_PORT -j DNAT --to $GUEST_IP:$GUEST_PORT
   fi
   if [ "\${2}" = "start" ] || [ "\${2}" = "reconnect" ]; then
	/sbin/iptables -I FORWARD -o virbr0 -p tcp -d $GUEST_IP --dport $GUEST_PORT -j ACCEPT
	/sbin/iptables -t nat -I PREROUTING -p tcp --dport $HOST_PORT -j DNAT --to $GUEST_IP:$GUEST_PORT
   fi
fi
`;
    expect(read(`#!/bin/bash\n${block("one", 11, 2211)}${block("two", 12, 2212)}`)).toEqual({
      forwards: [
        "tcp * 2211-2211 -> one 10.20.0.11 22-22",
        "tcp * 2212-2212 -> two 10.20.0.12 22-22",
      ],
      left: [],
    });
  });

  test("whose values come up only when it runs is named, not guessed", () => {
    const script = `#!/bin/sh
IP=$(virsh domifaddr web1 | awk '{print $4}')
iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination $IP:80
iptables -w -t nat -A PREROUTING -p tcp --dport 81 -j DNAT --to-destination 10.0.0.1
`;
    const { forwards, left } = read(script);
    expect(forwards).toEqual(["tcp * 81-81 -> ? 10.0.0.1 81-81"]);
    expect(left).toEqual(["3: its variables get their values when it runs"]);
  });
});

test("hooks.json gives single ports, pairs, ranges and lists of guests, and keeps the source", () => {
  const text = `{
    "admin": {
        "interface": "virbr1",            // you can use "comments"
        "private_ip": "10.20.0.11",       /* both styles */
        "source_ip": "198.51.100.7",
        "port_map": { "tcp": [[1100, 3000], 443], "icmp": [8] },
        "port_range": [{ "init_port": 50, "ports_num": 11, "protocol": "udp" }]
    },
    "six": [{ "private_ip": "fd00::2", "public_ip": "2001:db8::1", "port_map": { "tcp": [80] } }]
}`;
  expect(read(text)).toEqual({
    forwards: [
      "tcp * 1100-1100 -> admin 10.20.0.11 3000-3000 from 198.51.100.7/32",
      "tcp * 443-443 -> admin 10.20.0.11 443-443 from 198.51.100.7/32",
      "udp * 50-60 -> admin 10.20.0.11 50-60",
      "tcp 2001:db8::1 80-80 -> six fd00::2 80-80",
    ],
    left: ["2: it forwards icmp, and publications are of tcp or udp"],
  });
});

describe("hooks.json", () => {
  /** In the form of the example that libvirt-hook-qemu comes with. */
  test("as it is published has comments of both kinds, and a comma behind the last guest", () => {
    const text = `{
    // A line of words
    /* Another
       one */
    "change-me": {
        "interface": "virbr0",
        "private_ip": "192.168.124.10",
        "source_ip": "198.51.100.0/24",
        "port_map": { "tcp": [ [1100, 3000], 443, ], "udp": [27016] },
        "port_range": [ { "init_port": 8888, "ports_num": 2, "protocol": "tcp" } ]
    },
}`;
    expect(read(text)).toEqual({
      forwards: [
        "tcp * 1100-1100 -> change-me 192.168.124.10 3000-3000 from 198.51.100.0/24",
        "tcp * 443-443 -> change-me 192.168.124.10 443-443 from 198.51.100.0/24",
        "udp * 27016-27016 -> change-me 192.168.124.10 27016-27016 from 198.51.100.0/24",
        "tcp * 8888-8889 -> change-me 192.168.124.10 8888-8889",
      ],
      left: [],
    });
  });

  const guest = (inside: string) => `{\n  "g": ${inside}\n}`;
  const at = '"private_ip": "10.0.0.2"';
  test.each([
    [
      "a source that is a list",
      `{ ${at}, "source_ip": "192.0.2.1,192.0.2.2", "port_map": { "tcp": [80] } }`,
      "192.0.2.1,192.0.2.2 is no address or prefix",
    ],
    [
      "a public address that is a prefix",
      `{ ${at}, "public_ip": "192.0.2.0/24", "port_map": { "tcp": [80] } }`,
      "192.0.2.0/24 is not one address",
    ],
    [
      "a guest by its name in DNS",
      '{ "private_ip": "g.example", "port_map": { "tcp": [80] } }',
      "it leads to g.example:80, which is not one address",
    ],
    ["no address of the guest", '{ "port_map": { "tcp": [80] } }', "it has no private_ip"],
    [
      "a port out of range",
      `{ ${at}, "port_map": { "tcp": [70000] } }`,
      "70000 is no port or range of ports",
    ],
    [
      "three ports",
      `{ ${at}, "port_map": { "tcp": [[1, 2, 3]] } }`,
      "it is neither one port nor a pair",
    ],
    [
      "a range of none",
      `{ ${at}, "port_range": [{ "init_port": 5, "ports_num": 0, "protocol": "tcp" }] }`,
      "5-4 is no port or range of ports",
    ],
    [
      "a range beyond the last port",
      `{ ${at}, "port_range": [{ "init_port": 65530, "ports_num": 9, "protocol": "udp" }] }`,
      "65530-65538 is no port or range of ports",
    ],
    [
      "a range without its numbers",
      `{ ${at}, "port_range": [{ "protocol": "tcp" }] }`,
      "it does not say init_port, ports_num and protocol",
    ],
    ["ranges that are no list", `{ ${at}, "port_range": { "init_port": 5 } }`, "it lists no ports"],
    ["ports that are no map", `{ ${at}, "port_map": [80] }`, "it lists no ports"],
    [
      "a key that nobody knows",
      `{ ${at}, "publik_ip": "192.0.2.1" }`,
      "libvirt-hook-qemu knows no such key",
    ],
    ["a guest that is a word", '"10.0.0.2"', "it is no guest's ports"],
  ])("with %s is named", (_, inside, reason) => {
    expect(read(guest(inside))).toEqual({ forwards: [], left: [`2: ${reason}`] });
  });

  test("that is cut off is named with the place where it ends", () => {
    const text = '{\n  "g": { "private_ip": "10.0.0.2" /* half */\n';
    expect(readForwards({ file: "hooks.json", text })).toEqual({
      forwards: [],
      notCarried: [
        {
          at: { file: "hooks.json", line: 3, column: 1 },
          what: "the whole file",
          reason: "it is no JSON from here on",
        },
      ],
    });
  });
});

const saved = (rules: string) => `# Generated by iptables-save v1.8.9
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:mine - [0:0]
${rules}
COMMIT
`;

describe("iptables-save", () => {
  test.each([
    [
      "-A PREROUTING -d 203.0.113.7/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.20.0.11:8080",
      "tcp 203.0.113.7 80-80 -> ? 10.20.0.11 8080-8080",
    ],
    [
      '-A PREROUTING -i eth0 -p udp -m udp --dport 50:60 -m comment --comment "a b" -j DNAT --to-destination 10.20.0.11',
      "udp * 50-60 -> ? 10.20.0.11 50-60 by eth0",
    ],
    [
      "-A PREROUTING -s 198.51.100.0/24 -p tcp -m tcp --dport 22 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.20.0.11:22",
      "tcp * 22-22 -> ? 10.20.0.11 22-22 from 198.51.100.0/24",
    ],
    [
      "-A PREROUTING -d 2001:db8::7/128 -p tcp -m tcp --dport 443 -j DNAT --to-destination [fd00::11]:8443",
      "tcp 2001:db8::7 443-443 -> ? fd00::11 8443-8443",
    ],
  ])("%s", (rule, forward) => {
    expect(read(saved(rule))).toEqual({ forwards: [forward], left: [] });
  });

  test("a chain of the admin's own is read with what leads into it", () => {
    const rules = `-A PREROUTING -d 203.0.113.7/32 -j mine
-A OUTPUT -d 203.0.113.7/32 -j mine
-A mine -p tcp -m multiport --dports 25,110 -j DNAT --to-destination 10.20.0.11`;
    expect(read(saved(rules)).forwards).toEqual([
      "tcp 203.0.113.7 25-25 -> ? 10.20.0.11 25-25",
      "tcp 203.0.113.7 110-110 -> ? 10.20.0.11 110-110",
    ]);
  });

  test("whatever leads into a chain, from however far, narrows what is read there", () => {
    const rules = `-A PREROUTING -s 198.51.100.0/24 -g DOCKER
-A DOCKER -d 203.0.113.7/32 -j mine
-A mine -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.20.0.11
-A mine -s 192.0.2.1/32 -p tcp -m tcp --dport 26 -j DNAT --to-destination 10.20.0.11`;
    expect(read(saved(rules))).toEqual({
      forwards: ["tcp 203.0.113.7 25-25 -> ? 10.20.0.11 25-25 from 198.51.100.0/24"],
      left: ["11: no publication says -s 192.0.2.1/32"],
    });
  });

  test.each([
    [
      "-A PREROUTING -m recent --name x -p tcp --dport 9 -j DNAT --to-destination 10.0.0.1",
      "no publication says -m recent",
    ],
    [
      "-A PREROUTING ! -i virbr0 -p tcp --dport 9 -j DNAT --to-destination 10.0.0.1",
      "no publication says !",
    ],
    [
      "-A PREROUTING -p tcp --dport 9 -j DNAT --to-destination 10.0.0.1-10.0.0.9",
      "it leads to 10.0.0.1-10.0.0.9, which is not one address",
    ],
    [
      "-A PREROUTING -p tcp --dport 50:60 -j DNAT --to-destination 10.0.0.1:80",
      "a publication leads each port to one of its own: ranges of the same length",
    ],
    [
      "-A PREROUTING -d 203.0.113.7/32 -j DNAT --to-destination 10.0.0.1",
      "it forwards every protocol, and publications are of tcp or udp",
    ],
    [
      "-A PREROUTING -d 203.0.113.7/32 -p tcp -j DNAT --to-destination 10.0.0.1",
      "it forwards every port",
    ],
    [
      "-A PREROUTING -d 203.0.113.0/24 -p tcp --dport 9 -j DNAT --to-destination 10.0.0.1",
      "203.0.113.0/24 is not one address",
    ],
    ["-A PREROUTING -p tcp --dport 9 -j REDIRECT --to-ports 90", "it leads to the host itself"],
    [
      "-A POSTROUTING -s 10.0.0.0/24 -j MASQUERADE",
      "sources are rewritten by a network's mode: networks.NAME.nat",
    ],
  ])("is not carried over: %s", (rule, reason) => {
    expect(read(saved(rule))).toEqual({ forwards: [], left: [`8: ${reason}`] });
  });

  test("what Docker forwards to its containers stays Docker's", () => {
    const rule =
      "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80";
    expect(read(saved(rule))).toEqual({ forwards: [], left: [] });
  });
});

const listed = (table: string, rule: string) => `table ${table} {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		${rule}
	}
}
`;

describe("nft list ruleset", () => {
  test.each([
    [
      "ip nat",
      'iifname "eth0" tcp dport { 80, 443 } counter packets 1 bytes 60 dnat to 10.20.0.11',
      [
        "tcp * 80-80 -> ? 10.20.0.11 80-80 by eth0",
        "tcp * 443-443 -> ? 10.20.0.11 443-443 by eth0",
      ],
    ],
    [
      "inet nat",
      'ip daddr 203.0.113.7 udp dport 53 dnat ip to 10.20.0.11:5353 comment "dns"',
      ["udp 203.0.113.7 53-53 -> ? 10.20.0.11 5353-5353"],
    ],
    [
      "ip6 nat",
      "ip6 saddr 2001:db8::/32 meta l4proto tcp th dport 22 dnat to [fd00::11]:22",
      ["tcp * 22-22 -> ? fd00::11 22-22 from 2001:db8::/32"],
    ],
  ])("table %s: %s", (table, rule, forwards) => {
    expect(read(listed(table, rule))).toEqual({ forwards, left: [] });
  });

  test.each([
    ['iifname != "virbr0" tcp dport 1 dnat to 10.20.0.11', "no publication says what it says"],
    ["ip daddr @mine tcp dport 1 dnat to 10.20.0.11", "no publication says what it says"],
    [
      "ip daddr { 203.0.113.7, 203.0.113.8 } tcp dport 1 dnat to 10.20.0.11",
      "it is about several at once: ip daddr",
    ],
    ["dnat to tcp dport map { 80 : 10.20.0.11 }", "it looks up in a map where it leads"],
    ["limit rate 1/second tcp dport 1 dnat to 10.20.0.11", "no publication says limit rate"],
  ])("is not carried over: %s", (rule, reason) => {
    const { forwards, left } = read(listed("ip nat", rule));
    expect(forwards).toEqual([]);
    expect(left.map((text) => text.replace(/^4: /, ""))).toEqual([reason]);
  });

  test("what Docker and virtwall publish stays theirs", () => {
    const rule = "tcp dport 80 dnat to 10.20.0.11";
    expect(read(listed("ip docker-bridges", rule) + listed("inet virtwall", rule))).toEqual({
      forwards: [],
      left: [],
    });
  });
});

test.each(["", "hello\n", "key: value\n", "PK\u0003\u0004"])(
  "%j is nothing that can be read",
  (text) => {
    expect(readForwards({ file: "f", text })).toBeUndefined();
  },
);

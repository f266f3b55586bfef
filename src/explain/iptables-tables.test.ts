import { expect, it } from "vitest";
import { toBits } from "../base/address.ts";
import { readIpsets } from "../xtables/ipset.ts";
import { readSave } from "../xtables/save.ts";
import { plainHost } from "./host.fake.ts";
import { withIptables } from "./iptables-tables.ts";
import { firstPacket } from "./make-packet.ts";
import { walkReceived } from "./walk.ts";

/** As ipset 7.17 saves them. */
const sets =
  readIpsets(`create four hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x6d33ce29
add four 10.0.1.2
create nets hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x532b18e6
add nets 10.0.2.0/29
create doors hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x10196737
add doors 10.0.2.2,tcp:80
add doors 10.0.2.2,icmp:echo-request
create dev hash:net,iface family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x768abd5a
add dev 10.0.1.0/24,in
create ports bitmap:port range 0-1000
add ports 80
create except hash:net family inet hashsize 1024 maxelem 65536 timeout 100 bucketsize 12 initval 0xc5676066
add except 10.0.1.0/24 timeout 99
add except 10.0.1.2 timeout 100 nomatch
create both list:set size 8
add both four
add both nets
`);

/** What becomes of a packet from 10.0.1.2 to port 80 of 10.0.2.2 where such a packet is dropped. */
function fates(rule: string): string[] {
  const tables = readSave(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${rule} -j DROP\nCOMMIT\n`);
  const known = new Map(sets.map((set) => [set.name, set]));
  const to = toBits("10.0.2.2");
  const packet = firstPacket({ protocol: "tcp", family: 4, to, port: 80 }, toBits("10.0.1.2"));
  const legacy = withIptables([], [{ family: 4, backend: "legacy", tables }], known);
  return walkReceived({ tables: legacy, host: plainHost }, packet, "in")
    .map(({ fate }) => fate.kind)
    .toSorted();
}

it.each([
  ["-m set --match-set four src", ["dropped"]],
  ["-m set --match-set four dst", ["sent"]],
  ["-m set ! --match-set four src", ["sent"]],
  ["-m set --match-set nets dst", ["dropped"]],
  ["-m set --match-set doors dst,dst", ["dropped"]],
  ["-m set --match-set doors dst,src", ["sent"]],
  ["-m set --match-set dev src,src", ["dropped"]],
  ["-m set --match-set both dst", ["dropped"]],
  ["-m set --match-set ports dst", ["dropped"]],
  ["-m set --match-set ports src", ["sent"]],
  ["-m set ! --match-set ports dst", ["sent"]],
  ["-m set --match-set except src", ["dropped", "sent"]],
  ["-m set --match-set nobody src", ["dropped", "sent"]],
  ["-m set --match-set four src --packets-gt 5", ["dropped", "sent"]],
])("looks into the sets of ipset for %s", (rule, expected) => {
  expect(fates(rule)).toEqual(expected);
});

it.each([
  ['-m comment --comment "-j"', ["dropped"]],
  ['-m comment --comment "-m set"', ["dropped"]],
  ["-m comment --comment -m -p udp", ["sent"]],
  ["-m socket", ["dropped", "sent"]],
  ["-p tcp -m multiport --ports 80,90", ["dropped"]],
  ["-p tcp -m multiport ! --ports 80,90", ["sent"]],
  ["-m physdev --physdev-in vnet0", ["sent"]],
  ["-m physdev ! --physdev-in vnet0", ["dropped"]],
  ["-m hashlimit --hashlimit-upto 5/sec --hashlimit-name h", ["dropped", "sent"]],
])("reads %s", (rule, expected) => {
  expect(fates(rule)).toEqual(expected);
});

import { expect, test } from "vitest";
import { planLibvirtRemoval } from "./libvirt-rules.ts";
import { fitInsertions } from "./removal.ts";
import { readSave } from "./save.ts";

/** As libvirt 11.3 writes them, with a rule of the admin's and one of virtwall's. */
const live = `*nat
:POSTROUTING ACCEPT [3:120]
:LIBVIRT_PRT - [0:0]
-A POSTROUTING -j LIBVIRT_PRT
-A LIBVIRT_PRT -s 192.168.122.0/24 -d 224.0.0.0/24 -j RETURN
-A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p tcp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [5:200]
:LIBVIRT_FWI - [0:0]
:LIBVIRT_INP - [0:0]
:MINE - [0:0]
-A INPUT -j LIBVIRT_INP
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A FORWARD -m mark --mark 0x10000000/0x10000000 -m comment --comment virtwall -j ACCEPT
-A FORWARD -j LIBVIRT_FWI
-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 67 -j ACCEPT
COMMIT
`;

test("chains of libvirt's go with their rules and the jumps to them, and nothing else goes", () => {
  const { script, rules, left } = planLibvirtRemoval(readSave(live));
  expect(left).toEqual([]);
  expect(rules).toHaveLength(9);
  expect(script).toBe(`*nat
-D POSTROUTING -j LIBVIRT_PRT
-F LIBVIRT_PRT
-X LIBVIRT_PRT
COMMIT
*filter
-D INPUT -j LIBVIRT_INP
-D FORWARD -j LIBVIRT_FWI
-F LIBVIRT_FWI
-F LIBVIRT_INP
-X LIBVIRT_FWI
-X LIBVIRT_INP
COMMIT
`);
});

test("what it takes away can be put back, each rule at its place", () => {
  expect(planLibvirtRemoval(readSave(live)).undo).toContain(`-N LIBVIRT_FWI
-N LIBVIRT_INP
-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 67 -j ACCEPT
-I INPUT 1 -j LIBVIRT_INP
-I FORWARD 2 -j LIBVIRT_FWI
`);
});

test.each([
  "-A LIBVIRT_FWI -d 192.168.122.10/32 -p tcp -m tcp --dport 80 -j ACCEPT",
  "-A LIBVIRT_FWI -i eth0 -o virbr0 -j DROP",
  "-A LIBVIRT_FWI -o virbr0 -m comment --comment mine -j ACCEPT",
])("a rule of somebody else's in libvirt's chain stays, and the chain with it: %s", (rule) => {
  const text = live.replace("-A LIBVIRT_INP -i", `${rule}\n-A LIBVIRT_INP -i`);
  const { script, left } = planLibvirtRemoval(readSave(text));
  expect(left).toEqual([rule]);
  expect(script).not.toContain("-X LIBVIRT_FWI");
  expect(script).not.toContain("-D FORWARD -j LIBVIRT_FWI");
  expect(script).toContain("-X LIBVIRT_INP");
});

test("an empty chain of somebody else's is not libvirt's", () => {
  expect(planLibvirtRemoval(readSave("*filter\n:MINE - [0:0]\nCOMMIT\n")).script).toBe("");
});

test("a rule whose place is beyond the end of its chain by now is put back at the end", () => {
  const undo = "*filter\n-N LIBVIRT_FWI\n-I FORWARD 3 -j LIBVIRT_FWI\n-I FORWARD 4 -j A\nCOMMIT\n";
  const now = readSave("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j B\nCOMMIT\n");
  expect(fitInsertions(undo, now)).toBe(
    "*filter\n-N LIBVIRT_FWI\n-I FORWARD 2 -j LIBVIRT_FWI\n-I FORWARD 3 -j A\nCOMMIT\n",
  );
});

import { spawn } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { NftKernel } from "../../src/edge/nft/kernel.ts";
import { XtablesPrograms } from "../../src/edge/xtables/xtables.ts";
import { FakeFirewalld } from "../../src/ports/firewalld.fake.ts";
import { FakeXtables } from "../../src/ports/xtables.fake.ts";
import { PassRuleKeeper } from "../../src/reconcile/pass-rules-keeper.ts";
import { Agent } from "../world/agent.ts";
import { assertPrivateNamespace } from "../world/private-namespace.ts";
import { mustRun } from "../../lab/run-program.ts";
import { libvirtIptables, libvirtNftables, rulesetFiles } from "./foreign-rulesets.ts";

/*
 * The namespace of the test is the host itself:
 *
 *   guest 10.20.0.11 -- virbr20 (10.20.0.1) host (198.51.100.1) eth0 -- world 198.51.100.50
 */
const settings = { mark: 0x10000000, integration: "auto", bridges: [] } as const;

/** Stands for virtwall's own table: guest packets are allowed and marked. */
const ownTable = `table inet virtwall {
	chain pass {
		meta mark set meta mark | 0x10000000 accept
	}
	chain forward {
		type filter hook forward priority filter - 5; policy accept;
		iifname "virbr20" goto pass
		oifname "virbr20" goto pass
	}
	chain input {
		type filter hook input priority filter - 5; policy accept;
		iifname "virbr20" goto pass
	}
}
`;

let guest: Agent;
let world: Agent;
let keeper: PassRuleKeeper;

const nft = (script: string) => mustRun(["nft", "-f", "-"], { input: script });
const listing = () => mustRun(["nft", "-s", "list", "ruleset"]);
const keep = () => keeper.keep(settings);

async function passRuleCount(): Promise<number> {
  return (await listing()).split('accept comment "virtwall"').length - 1;
}

/** What of the four ways gets through: to the world and to the host, by UDP and by TCP, and from the world to the guest. */
async function reached(): Promise<string> {
  const near = { timeoutMs: 300, port: 7000 };
  const attempts = await Promise.all([
    guest.attempt("udp", { ...near, host: "198.51.100.50" }),
    guest.attempt("tcp", { ...near, host: "198.51.100.50" }),
    guest.attempt("icmp", { ...near, host: "10.20.0.1" }),
    world.attempt("tcp", { ...near, host: "10.20.0.11" }),
  ]);
  return attempts.map(({ outcome }) => (outcome === "answered" ? "yes" : "no")).join(" ");
}

beforeAll(async () => {
  assertPrivateNamespace();
  const links = [
    "netns add pass-guest",
    "netns add pass-world",
    "link add virbr20 type bridge",
    "link add vnet0 type veth peer name eth0 netns pass-guest",
    "link add eth0 type veth peer name wan0 netns pass-world",
    "link set vnet0 master virbr20 up",
    "link set virbr20 up",
    "link set eth0 up",
    "addr add 10.20.0.1/24 dev virbr20",
    "addr add 198.51.100.1/24 dev eth0",
    "-n pass-guest link set eth0 up",
    "-n pass-guest addr add 10.20.0.11/24 dev eth0",
    "-n pass-guest route add 0.0.0.0/0 via 10.20.0.1",
    "-n pass-world link set wan0 up",
    "-n pass-world addr add 198.51.100.50/24 dev wan0",
    "-n pass-world route add 10.20.0.0/24 via 198.51.100.1",
  ];
  for (const link of links) await mustRun(["ip", ...link.split(" ")]);
  await mustRun(["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  guest = new Agent("guest", "pass-guest");
  world = new Agent("world", "pass-world");
  await Promise.all(
    [guest, world].flatMap((agent) => [
      agent.sysctl({ "net.ipv4.ping_group_range": "0 0" }),
      agent.listen("udp", 7000),
      agent.listen("tcp", 7000),
    ]),
  );
});
afterAll(async () => {
  await Promise.all([guest.close(), world.close()]);
  for (const link of ["netns del pass-guest", "netns del pass-world", "link del virbr20"]) {
    await mustRun(["ip", ...link.split(" ")]);
  }
});
beforeEach(async () => {
  await mustRun(["nft", "flush", "ruleset"]);
  await nft(ownTable);
  keeper = new PassRuleKeeper({
    kernel: new NftKernel("a test needs no owner"),
    xtables: new XtablesPrograms(),
    firewalld: new FakeFirewalld(),
  });
});
afterEach(() => mustRun(["nft", "flush", "ruleset"]));

test("looking at a host without a firewall changes nothing", async () => {
  const before = await listing();
  expect(await keep()).toEqual({
    report: [],
    isChanged: false,
    isFirewalldTold: false,
    failures: [],
  });
  expect(await listing()).toBe(before);
  expect(await new XtablesPrograms().read()).toEqual([]);
});

describe("a plain nftables firewall with policy drop", () => {
  /** Its own table alone, and the whole ruleset with it; the stand-in comes back as the daemon would bring it. */
  const withoutFlush = rulesetFiles.workstation.replace(
    "flush ruleset",
    "table inet filter\ndelete table inet filter",
  );
  const ways = [
    ["that replaces its own table", withoutFlush],
    ["that flushes the ruleset", `${rulesetFiles.workstation}\n${ownTable}`],
  ] as const;

  test.each(ways)("%s lets guests through, again after each reload", async (_, file) => {
    await nft(file);
    const before = await listing();
    expect(await reached()).toBe("no no no no");
    for (let reload = 0; reload < 3; reload++) {
      const { report, isChanged, failures } = await keep();
      expect(failures).toEqual([]);
      expect(isChanged).toBe(true);
      expect(report.map((line) => `${line.chain} ${line.state}`)).toEqual([
        "input passed",
        "forward passed",
        "output not needed",
      ]);
      expect(await reached()).toBe("yes yes yes yes");
      expect((await keep()).isChanged).toBe(false);
      expect(await passRuleCount()).toBe(2);
      await nft(file);
      expect(await passRuleCount()).toBe(0);
    }
    await keep();
    expect(await keeper.remove()).toEqual([]);
    expect(await listing()).toBe(before);
    expect(await reached()).toBe("no no no no");
  });

  test("keeps what is not a guest's under its own rules", async () => {
    await nft(rulesetFiles.workstation + ownTable);
    await keep();
    const attempt = await world.attempt("icmp", { host: "198.51.100.1", port: 0, timeoutMs: 300 });
    expect(attempt.outcome).toBe("silent");
  });

  test("gets one rule where it had copies, old marks and late ones", async () => {
    const pass = (mark: string) => `meta mark & ${mark} == ${mark} accept comment "virtwall"`;
    await nft(rulesetFiles.workstation + ownTable);
    const before = await listing();
    await nft(`add rule inet filter input ${pass("0x10000000")}
insert rule inet filter forward ${pass("0x20000000")}
insert rule inet filter forward ${pass("0x10000000")}
insert rule inet filter forward ${pass("0x10000000")}
insert rule inet filter output ${pass("0x00000001")}
`);
    await keep();
    expect(await passRuleCount()).toBe(2);
    expect(await reached()).toBe("yes yes yes yes");
    expect((await keep()).isChanged).toBe(false);
    await keeper.remove();
    expect(await listing()).toBe(before);
  });

  test("is only spoken of when integration says print, and not looked at when off", async () => {
    await nft(rulesetFiles.workstation + ownTable);
    const { report, isChanged } = await keeper.keep({ ...settings, integration: "print" });
    expect(isChanged).toBe(false);
    expect(await passRuleCount()).toBe(0);
    for (const { line = "" } of report) if (line !== "") await mustRun(["sh", "-c", line]);
    expect(await passRuleCount()).toBe(2);
    expect((await keep()).isChanged).toBe(false);
    expect((await keeper.keep({ ...settings, integration: "off" })).report).toEqual([]);
  });
});

test("libvirt's nftables backend no longer rejects new connections to a guest", async () => {
  const tables = libvirtNftables.replaceAll('"lo"', '"virbr20"').replaceAll("10.30.", "10.20.");
  await nft(tables);
  const before = await listing();
  expect(await reached()).toBe("yes yes yes no");
  const { report } = await keep();
  expect(report.map((line) => `${line.family} ${line.chain} ${line.state}`)).toEqual([
    "ip forward passed",
    "ip6 forward passed",
  ]);
  expect(await reached()).toBe("yes yes yes yes");
  // A network start inserts at the head of the chains that forward jumps to.
  await nft('insert rule ip libvirt_network guest_input oif "virbr20" counter reject\n');
  expect((await keep()).isChanged).toBe(false);
  await nft("delete table ip libvirt_network\ndelete table ip6 libvirt_network\n");
  await nft(tables);
  expect((await keep()).isChanged).toBe(true);
  expect(await reached()).toBe("yes yes yes yes");
  await keeper.remove();
  expect(await listing()).toBe(before);
});

describe("iptables", () => {
  const save = async () =>
    (await mustRun(["iptables-save"])).replaceAll(/^#.*\n/gm, "").replaceAll(/\[\d+:\d+\]/g, "");

  test("with libvirt's chains and policy DROP is changed by iptables, which still lists its rules", async () => {
    await mustRun(["iptables-restore"], { input: libvirtIptables });
    const before = await save();
    expect(await reached()).toBe("yes yes no no");
    const { report, failures } = await keep();
    expect(failures).toEqual([]);
    expect(report.map((line) => `${line.by} ${line.chain} ${line.state}`)).toEqual([
      "iptables INPUT passed",
      "iptables FORWARD passed",
      "iptables OUTPUT not needed",
    ]);
    expect(await reached()).toBe("yes yes yes yes");
    expect((await keep()).isChanged).toBe(false);
    const rules = await mustRun(["iptables", "-S", "FORWARD"]);
    expect(rules.split("\n")[1]).toBe(
      "-A FORWARD -m mark --mark 0x10000000/0x10000000 -m comment --comment virtwall -j ACCEPT",
    );
    expect(await mustRun(["iptables", "-L", "-n"])).toContain("LIBVIRT_FWI");
    await keeper.remove();
    expect(await save()).toBe(before);
  });

  test("does with a listing what the fake does with it", async () => {
    const copy =
      "-A FORWARD -m comment --comment virtwall -m mark --mark 0x1/0x1 -j ACCEPT\n-A FORWARD -j DROP";
    await mustRun(["iptables-restore"], {
      input: libvirtIptables.replace("-A FORWARD -j LIBVIRT_FWX", `${copy}\n$&`),
    });
    const fake = new FakeXtables();
    fake.listings.set("iptables", await save());
    const real = new XtablesPrograms();
    for (const xtables of [real, fake]) {
      const chains = (await xtables.read()).filter((chain) => chain.mayDrop);
      await xtables.putPassRules(chains, settings.mark);
    }
    expect(await save()).toBe(fake.listings.get("iptables"));
    expect(await real.read()).toEqual(await fake.read());
    expect(await real.removePassRules()).toBe(2);
    expect(await fake.removePassRules()).toBe(2);
    expect(await save()).toBe(fake.listings.get("iptables"));
  });

  test("gets the rule back at the head when another rule was put ahead of it", async () => {
    await mustRun(["iptables-restore"], { input: libvirtIptables });
    await keep();
    await mustRun(["iptables", "-I", "FORWARD", "-j", "DROP"]);
    await mustRun(["iptables", "-I", "INPUT", "-j", "LOG"]);
    expect((await keep()).isChanged).toBe(true);
    expect(await reached()).toBe("yes yes yes yes");
    expect((await save()).split("--comment virtwall").length - 1).toBe(2);
  });

  test("keeps libvirt's guest filters ahead of the rule", async () => {
    await mustRun(["iptables-restore"], { input: libvirtIptables });
    await mustRun(["iptables", "-N", "libvirt-in"]);
    await mustRun(["iptables", "-I", "FORWARD", "-j", "libvirt-in"]);
    await mustRun(["iptables", "-A", "libvirt-in", "-p", "udp", "-j", "DROP"]);
    expect((await keep()).isChanged).toBe(true);
    expect((await keep()).isChanged).toBe(false);
    expect(await reached()).toBe("no yes yes yes");
  });

  test("that cannot express a table leaves it to nft", async () => {
    await nft(
      "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; ct state vmap { invalid : drop }; }; }\n",
    );
    const { report } = await keep();
    expect(report).toMatchObject([{ by: "nft", chain: "FORWARD", state: "passed" }]);
    expect(await reached()).toBe("yes yes yes yes");
  });

  test("of the legacy variant is changed where it has tables, and only there", async () => {
    await mustRun(["iptables-legacy", "-P", "FORWARD", "DROP"]);
    try {
      expect(await reached()).toBe("no no yes no");
      const { report } = await keep();
      expect(report.filter((line) => line.state === "passed")).toMatchObject([
        { by: "iptables-legacy", chain: "FORWARD" },
      ]);
      expect(await reached()).toBe("yes yes yes yes");
      expect((await keep()).isChanged).toBe(false);
      await keeper.remove();
      expect(await reached()).toBe("no no yes no");
    } finally {
      await mustRun(["iptables-legacy", "-P", "FORWARD", "ACCEPT"]);
    }
    expect(await listing()).not.toContain("table ip filter");
  });
});

test("a table that another process owns is told as owned, and the rest is integrated", async () => {
  await nft(rulesetFiles.workstation + ownTable);
  const owner = spawn("nft", ["-i"], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    owner.stdin.write(
      "table inet firewalld { flags owner; chain forward { type filter hook forward priority 10; policy drop; }; }\nlist tables\n",
    );
    await new Promise<void>((resolve) => {
      owner.stdout.on("data", (text: Buffer) => {
        if (text.includes("firewalld")) resolve();
      });
    });
    for (let attempt = 0; attempt < 2; attempt++) {
      const { report, failures } = await keep();
      expect(failures).toEqual([]);
      expect(
        Object.fromEntries(
          report
            .filter((line) => line.by === "nft")
            .map((line) => [`${line.table} ${line.chain}`, line.state]),
        ),
      ).toEqual({
        "filter input": "passed",
        "filter forward": "passed",
        "filter output": "not needed",
        "firewalld forward": "owned",
      });
    }
  } finally {
    const ended = new Promise((resolve) => owner.once("exit", resolve));
    owner.stdin.end();
    await ended;
  }
  // Between two looks, and without an owner: as firewalld does when it is restarted with NftablesTableOwner=no.
  await nft(
    "table inet firewalld { chain forward { type filter hook forward priority 10; policy drop; }; }",
  );
  const { report } = await keep();
  expect(report.find(({ table }) => table === "firewalld")?.state).toBe("passed");
});

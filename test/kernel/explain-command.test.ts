import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { mustRun } from "../../lab/run-program.ts";
import { buildPrograms, nft, Site } from "./daemon-program.ts";

let site: Site;

beforeAll(buildPrograms);

beforeEach(async () => {
  site = new Site("{}\n");
  const commands = ["front", "back"].flatMap((name, index) => [
    `tuntap add dev ${name} mode tap`,
    `link set ${name} up`,
    `addr add 10.77.${String(index)}.1/24 dev ${name}`,
  ]);
  commands.push("route add default via 10.77.0.9");
  await mustRun(["ip", "-batch", "-"], { input: commands.join("\n") });
  const settings = ["ip_forward=1", "conf.all.rp_filter=0", "conf.front.rp_filter=0"];
  await mustRun(["sysctl", "-q", "-w", ...settings.map((each) => `net.ipv4.${each}`)]);
  nft("add table inet admin");
  nft("add chain inet admin forward { type filter hook forward priority 0; policy accept; }");
  nft("add rule inet admin forward tcp dport 22 drop");
  nft("add rule inet admin forward ip dscp cs1 tcp dport 81 drop");
});

afterEach(async () => {
  nft("delete table inet admin");
  await mustRun(["ip", "-batch", "-"], { input: "link del front\nlink del back\n" });
  await site.close();
});

test("explain names the rule that drops, and whose it is", () => {
  const { status, stdout } = site.run(["explain", "tcp", "10.77.0.7", "10.77.1.7:22"]);
  expect(stdout).toContain("tcp 10.77.0.7 -> 10.77.1.7:22: dropped\n");
  expect(stdout).toContain(
    "  because of rule 1 of inet admin forward (the admin): tcp dport 22 drop\n",
  );
  expect(status).toBe(1);
});

test("explain takes somebody of the world for none of the host's own networks", () => {
  nft("insert rule inet admin forward ip saddr { 10.77.0.0/24, 127.0.0.0/8 } drop");
  expect(site.run(["explain", "tcp", "world", "10.77.1.7:80"]).stdout).toContain(": delivered");
  nft("insert rule inet admin forward ip saddr 198.51.100.0/24 drop");
  expect(site.run(["explain", "tcp", "world", "10.77.1.7:80"]).stdout).toContain(": unknown");
});

test("explain follows the packet and its answer, and ends with 0", () => {
  const { status, stdout } = site.run(["explain", "tcp", "10.77.0.7", "10.77.1.7:80"]);
  expect(stdout).toContain("tcp 10.77.0.7 -> 10.77.1.7:80: delivered, out by back\n");
  expect(status).toBe(0);
});

test("explain does not know what a field that nobody told decides, and says so as JSON too", () => {
  const { status, stdout } = site.run(["explain", "tcp", "10.77.0.7", "10.77.1.7:81", "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({
    verdict: "unknown",
    question: { protocol: "tcp", from: "10.77.0.7", to: "10.77.1.7:81", state: "new" },
    origin: { owner: "the admin" },
    rule: { family: "inet", table: "admin", chain: "forward", number: 2 },
  });
  expect(status).toBe(1);
});

test("explain tells what routing loses, and refuses words that ask nothing", () => {
  expect(site.run(["explain", "udp", "host", "[2001:db8::1]:53"]).stdout).toContain(
    ": lost, no route",
  );
  expect(site.run(["explain", "tcp", "10.77.0.7", "10.77.1.7"]).status).toBe(2);
});

test("explain and trace say that a policy has errors, and do not take its guests for unknown", () => {
  site.writePolicy("guests: { web1: { publish: x } }\n");
  for (const asked of [
    ["explain", "tcp", "guest:web1", "world:80"],
    ["trace", "guest:web1"],
  ]) {
    const { status, stderr } = site.run(asked);
    expect(stderr).toBe("virtwall: guests are not known: the policy has 1 error: virtwall check\n");
    expect(status).toBe(1);
  }
});

test("explain answers by the kernel's rules where nobody tells of guests, and says so beside what mends it", () => {
  site.writePolicy("guests: { web1: { publish: x } }\n");
  const { status, stdout, stderr } = site.run(["explain", "tcp", "10.77.0.7", "10.77.1.1:80"]);
  expect(stdout).toContain(": nobody listens, to the host itself\n  fix: start what is to listen");
  expect(stderr).toBe("virtwall: guests are not known: the policy has 1 error: virtwall check\n");
  expect(status).toBe(1);
});

test("explain looks whether anybody listens, and lets flows go on that began before", () => {
  nft("insert rule inet admin forward ct state new drop");
  const { stdout } = site.run(["explain", "tcp", "10.77.0.7", "10.77.1.1:80"]);
  expect(stdout).toContain(": nobody listens, to the host itself\n  fix: start what is to listen");
  const asked = ["explain", "tcp", "10.77.0.7", "10.77.1.7:80", "--state"];
  expect(site.run([...asked, "new"]).stdout).toContain(": dropped");
  expect(site.run([...asked, "established"]).stdout).toContain(": delivered");
  expect(site.run([...asked, "olden"]).status).toBe(2);
});

test("explain reads what iptables says of its rules, nft's and legacy ones", async () => {
  const ask = () => site.run(["explain", "tcp", "10.77.0.7", "10.77.1.7:80"]).stdout;
  const rule = ["FORWARD", "-p", "tcp", "-m", "multiport", "--dports", "80,443", "-j", "DROP"];
  for (const program of ["iptables-nft", "iptables-legacy"]) {
    await mustRun([program, "-A", ...rule]);
    expect(ask()).toContain("FORWARD (iptables): -p tcp -m multiport --dports 80,443 -j DROP\n");
    await mustRun([program, "-D", ...rule]);
  }
  expect(ask()).toContain(": delivered");
});

const ask = () => site.run(["explain", "tcp", "10.77.0.7", "10.77.1.7:80"]).stdout;

/** A program that takes what comes to queue 7: NFQNL_MSG_CONFIG with NFQNL_CFG_CMD_BIND (linux/netfilter/nfnetlink_queue.h). */
const bindQueue = `socket(my $s, 16, 3, 12) or die $!;
  send($s, pack("L S S L L C C n S S C x n", 28, 0x302, 5, 1, 0, 0, 0, 7, 8, 1, 1, 0), 0) or die $!;
  recv($s, my $answer, 4096, 0); die unpack("x16 l", $answer) if unpack("x16 l", $answer);
  print "bound\\n"; $| = 1; sleep 600`;

test("explain knows what becomes of packets for a program that is not there, and that another decides", async () => {
  await mustRun(["iptables-nft", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "7"]);
  try {
    expect(ask()).toContain(
      ": dropped, no program takes what comes to queue 7\n  because of rule 1",
    );
    expect(ask()).toContain("  fix: start the program that takes queue 7\n");
    const program = spawn("perl", ["-e", bindQueue], { stdio: ["ignore", "pipe", "inherit"] });
    await once(program.stdout, "data");
    try {
      expect(ask()).toContain(
        ": unknown, it depends on what the program at queue 7 says, to which it is handed\n",
      );
    } finally {
      program.kill();
    }
  } finally {
    await mustRun(["iptables-nft", "-F", "FORWARD"]);
  }
});

test("explain takes an hour for the kernel's, whatever zone it is asked in", () => {
  const local = (hours: number) =>
    new Date(Date.now() + (9 + hours) * 3_600_000).toISOString().slice(11, 16);
  const before = process.env["TZ"];
  process.env["TZ"] = "JST-9";
  try {
    nft(`add rule inet admin forward meta hour "${local(-1)}"-"${local(1)}" tcp dport 82 drop`);
    const asked = (port: number) => site.run(["explain", "tcp", "10.77.0.7", `10.77.1.7:${port}`]);
    expect(asked(82).stdout).toContain(": dropped\n");
    nft(`add rule inet admin forward meta hour "${local(1)}"-"${local(3)}" tcp dport 83 drop`);
    expect(asked(83).stdout).toContain(": delivered");
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
});

test("explain gives to a proxy's program what is for anybody, if that listens", async () => {
  const rule = ["-p", "tcp", "-j", "TPROXY", "--on-port", "5000"];
  await mustRun(["iptables-nft", "-t", "mangle", "-A", "PREROUTING", ...rule]);
  const server = createServer();
  try {
    expect(ask()).toContain(": dropped\n  because of rule 1 of ip mangle PREROUTING");
    await new Promise<void>((resolve) => server.listen(5000, "10.77.0.1", resolve));
    expect(ask()).toContain(
      ": unknown, it depends on whether who listens there takes what is for others",
    );
  } finally {
    server.close();
    await mustRun(["iptables-nft", "-t", "mangle", "-F", "PREROUTING"]);
  }
});

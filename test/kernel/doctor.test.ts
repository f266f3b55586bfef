import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, utimesSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectRoot } from "../../lab/project-root.ts";
import { ThisHost } from "../../src/edge/host/host-examiner.ts";
import { kernelFeatures } from "../../src/ports/host-facts.ts";
import { mustRun } from "../../lab/run-program.ts";
import { buildPrograms, builtPrograms, nft, Site, type Ended } from "./daemon-program.ts";
import {
  guestFile,
  ip,
  libvirtRules,
  makeHost,
  policy,
  setAll,
  soundSettings,
  unmakeHost,
  write,
  writeGuest,
  writeNetwork,
} from "./doctor-host.ts";

/** One host: sound, then broken in every way at once, then mended by doctor, then mended by hand. */
const runs = new Map<"sound" | "broken" | "fixed" | "mended", Ended>();

interface Report {
  readonly findings: readonly {
    readonly id: string;
    readonly evidence: readonly string[];
    readonly fix: { readonly text: string; readonly isSafe: boolean };
  }[];
  readonly skipped: readonly { readonly id: string; readonly reason: string }[];
  readonly mended: readonly { readonly id: string; readonly done?: string }[];
}

function reportOf(name: "sound" | "broken" | "fixed" | "mended"): Report {
  return JSON.parse(runs.get(name)?.stdout ?? "") as Report;
}

interface Fault {
  readonly id: string;
  /** A part of what doctor is to show as evidence. */
  readonly seen: string;
  cause(): Promise<unknown>;
  /** Absent: `--fix` mends it. */
  undo?(): Promise<unknown>;
}

const hooks = "/etc/libvirt/hooks";
const script = `#!/bin/sh
[ "$1" = old1 ] && iptables -t nat -A PREROUTING -p tcp --dport 81 -j DNAT --to 10.20.0.12:81
`;
const dropIn = "/etc/systemd/system/virtwall.service.d/order.conf";
let server: Server;

const iptables = (...words: readonly string[]) => mustRun(["iptables", "-w", ...words]);
const aside = async (...files: readonly string[]) => {
  for (const file of files) rmSync(file, { force: true });
};

/** As it comes with virtwall. */
function writeUnit(name: string): void {
  const text = readFileSync(join(projectRoot(), `system/units/${name}.service`), "utf8");
  write(`/etc/systemd/system/${name}.service`, text);
}

const faults: readonly Fault[] = [
  {
    id: "forwarding",
    seen: "net.ipv4.ip_forward = 0",
    cause: () => setAll({ "net.ipv4.ip_forward": "0" }),
  },
  {
    id: "router-advertisements",
    seen: "net.ipv6.conf.eth0.accept_ra = 1",
    cause: () => setAll({ "net.ipv6.conf.eth0.accept_ra": "1" }),
  },
  {
    id: "host-firewall",
    seen: "inet admin forward: policy drop",
    cause: async () => {
      nft("add table inet admin");
      nft("add chain inet admin forward { type filter hook forward priority 0; policy drop; }");
    },
  },
  {
    id: "host-firewall",
    seen: "iptables filter INPUT: policy DROP",
    cause: () => iptables("-P", "INPUT", "DROP"),
  },
  {
    id: "taps",
    seen: "ip link show vnet0: no master; its network has virbr20",
    cause: () => ip("link set vnet0 nomaster\n"),
  },
  {
    id: "reverse-path-filter",
    seen: "net.ipv4.conf.eth1.rp_filter = 1",
    cause: async () => {
      await ip("route add default via 203.0.113.254 dev eth1 metric 200\n");
      await setAll({ "net.ipv4.conf.eth1.rp_filter": "1" });
    },
  },
  {
    id: "libvirt-leftovers",
    seen: "table ip libvirt_network",
    cause: async () => {
      nft("add table ip libvirt_network");
      nft("add chain ip libvirt_network guest_cross");
      nft("add rule ip libvirt_network guest_cross iifname virbr29 oifname virbr29 counter accept");
      nft("add chain ip libvirt_network guest_input");
      nft("add rule ip libvirt_network guest_input oifname virbr29 counter reject");
    },
  },
  {
    id: "libvirt-hooks",
    seen: `${hooks}/network.d/virtwall: missing`,
    cause: () => aside(`${hooks}/network.d/virtwall`),
  },
  {
    id: "rules-in-force",
    seen: "there is no table bridge virtwall",
    cause: async () => nft("delete table bridge virtwall"),
    undo: async () => site.run(["apply"]),
  },
  {
    id: "bridge-netfilter",
    seen: "net.bridge.bridge-nf-call-iptables = 1",
    cause: () => setAll({ "net.bridge.bridge-nf-call-iptables": "1" }),
    undo: () => setAll({ "net.bridge.bridge-nf-call-iptables": "0" }),
  },
  {
    id: "published-ports",
    seen: "at tcp *:80",
    cause: () =>
      new Promise<void>((resolve) => {
        server = createServer().listen(80, () => resolve());
      }),
    undo: () => new Promise((resolve) => server.close(resolve)),
  },
  {
    id: "foreign-forwards",
    seen: "ip nat DOCKER: ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80",
    cause: async () => {
      await iptables("-t", "nat", "-N", "DOCKER");
      const local = ["-m", "addrtype", "--dst-type", "LOCAL"];
      await iptables("-t", "nat", "-A", "PREROUTING", ...local, "-j", "DOCKER");
      const port = ["!", "-i", "docker0", "-p", "tcp", "--dport", "80"];
      await iptables("-t", "nat", "-A", "DOCKER", ...port, "-j", "DNAT", "--to", "172.17.0.2:80");
    },
    undo: async () => {
      for (const word of ["-F", "-X"]) await iptables("-t", "nat", word);
    },
  },
  {
    id: "foreign-forwards",
    seen: "ip early prerouting: udp dport 45000 dnat to 172.17.0.3",
    cause: async () => {
      nft("add table ip early");
      nft("add chain ip early prerouting { type nat hook prerouting priority -150; }");
      nft("add rule ip early prerouting udp dport 45000 dnat to 172.17.0.3");
    },
    undo: async () => nft("delete table ip early"),
  },
  {
    id: "reserved-ports",
    seen: "udp/45000 is published for 'web1'",
    cause: () => setAll({ "net.ipv4.ip_local_reserved_ports": "8080" }),
  },
  {
    id: "macvtap",
    seen: "<source dev='eth1' mode='bridge'/> at ",
    cause: async () => {
      const nic = "<mac address='52:54:00:20:00:13'/><source dev='eth1' mode='bridge'/>";
      writeGuest(site.inventory, "direct1", { type: "direct", nic });
    },
    undo: () => aside(guestFile(site.inventory, "direct1")),
  },
  {
    id: "dhcp-checksum",
    seen: "nic 52:54:00:20:00:14 of guest 'old1' has no lease",
    cause: async () => {
      writeNetwork(site.inventory, "front", "<dhcp/>");
      const nic =
        "<mac address='52:54:00:20:00:14'/><source network='front' bridge='virbr20'/><target dev='vnet2'/>";
      writeGuest(site.inventory, "old1", { type: "network", nic });
    },
    undo: async () => {
      const port = ["-o", "virbr20", "-p", "udp", "--dport", "68"];
      const fill = ["-j", "CHECKSUM", "--checksum-fill"];
      await iptables("-t", "mangle", "-A", "POSTROUTING", ...port, ...fill);
    },
  },
  {
    id: "network-bridges",
    seen: "ip address show virbr21: no 10.21.0.1",
    cause: () => ip("addr flush dev virbr21\n"),
    undo: () => ip("addr add 10.21.0.1/24 dev virbr21\n"),
  },
  {
    id: "duplicate-addresses",
    seen: "10.20.0.11 has 02:00:00:00:00:99, the nic is 52:54:00:20:00:11",
    cause: () =>
      ip("neigh replace 10.20.0.11 lladdr 02:00:00:00:00:99 dev virbr20 nud permanent\n"),
    undo: () => ip("neigh del 10.20.0.11 dev virbr20\n"),
  },
  {
    id: "overlapping-prefixes",
    seen: "ip address show eth1: 10.20.0.128/25",
    cause: () => ip("addr add 10.20.0.200/25 dev eth1\n"),
    undo: () => ip("addr del 10.20.0.200/25 dev eth1\n"),
  },
  {
    id: "mark-in-use",
    seen: "iptables -t mangle -A FORWARD -j MARK --set-xmark 0x10000000/0x10000000",
    cause: () => iptables("-t", "mangle", "-A", "FORWARD", "-j", "MARK", "--or-mark", "0x10000000"),
    undo: () => iptables("-t", "mangle", "-F", "FORWARD"),
  },
  {
    id: "mark-in-use",
    seen: "ip rule: fwmark 0x10000000/0x30000000 lookup 77",
    cause: () => ip("rule add fwmark 0x10000000/0x30000000 lookup 77\n"),
    undo: () => ip("rule del fwmark 0x10000000/0x30000000 lookup 77\n"),
  },
  {
    id: "saved-ruleset",
    seen: "/etc/nftables.conf:2: table inet virtwall {",
    cause: async () => write("/etc/nftables.conf", "flush ruleset\ntable inet virtwall {\n}\n"),
    undo: async () => write("/etc/nftables.conf", "flush ruleset\n"),
  },
  {
    id: "two-firewalls",
    seen: "ufw: /etc/ufw/ufw.conf: ENABLED=yes",
    cause: async () => {
      write("/etc/ufw/ufw.conf", "ENABLED=yes\n");
      write("/etc/systemd/system/nftables.service", "[Unit]\n");
      write("/etc/systemd/system/sysinit.target.wants/nftables.service", "[Unit]\n");
    },
    undo: () => aside("/etc/ufw/ufw.conf"),
  },
  {
    id: "iptables-variants",
    seen: "iptables-save: table raw is incompatible",
    cause: async () => {
      nft("add table ip raw");
      nft("add chain ip raw PREROUTING { type filter hook prerouting priority -300; }");
      nft("add rule ip raw PREROUTING limit rate over 10/second accept");
    },
    undo: async () => nft("delete table ip raw"),
  },
  {
    id: "libvirt-rules",
    seen: "neither LIBVIRT_FWI nor libvirt_network knows virbr21",
    cause: () => iptables("-F", "LIBVIRT_FWI"),
    undo: async () => {
      await iptables("-D", "FORWARD", "-j", "LIBVIRT_FWI");
      await mustRun(["iptables-restore", "--noflush"], { input: libvirtRules });
      site.run(["apply"]);
    },
  },
  {
    id: "libvirt-faults",
    seen: "table bridge libvirt_nwfilter_inet",
    cause: async () => nft("add table bridge libvirt_nwfilter_inet"),
    undo: async () => nft("delete table bridge libvirt_nwfilter_inet"),
  },
  {
    id: "classic-hooks",
    seen: `${hooks}/qemu:2`,
    cause: async () => write(`${hooks}/qemu`, script, 0o755),
    undo: () => aside(`${hooks}/qemu`),
  },
  {
    id: "boot-order",
    seen: "/etc/systemd/system/virtwall.service: Before= does not name libvirtd.service",
    cause: async () => {
      write("/run/systemd/system/.keep", "");
      write("/etc/systemd/system/libvirtd.service", "[Unit]\nAfter=network.target\n");
      write("/etc/systemd/system/virtwall.service", "[Unit]\n");
      write("/etc/systemd/system/multi-user.target.wants/virtwall.service", "[Unit]\n");
      write("/etc/systemd/system/virtwall-early.service", "[Unit]\n");
    },
    // Of its own files one is wrong still, and mended by a drop-in.
    undo: async () => {
      for (const name of ["virtwall-early", "virtwall-gate"]) writeUnit(name);
      const order = "Before=libvirtd.service \\\n  virtqemud.service virtnetworkd.service";
      const wants = "Wants=virtwall-gate.service virtwall-early.service";
      write(dropIn, `[Unit]\n${order}\n${wants}\n`);
    },
  },
  {
    id: "clock",
    seen: `${hooks}/README: changed `,
    cause: async () => {
      write(`${hooks}/README`, "");
      utimesSync(`${hooks}/README`, 4_102_444_800, 4_102_444_800);
    },
    undo: () => aside(`${hooks}/README`),
  },
];

let site: Site;

beforeAll(async () => {
  await buildPrograms();
  site = new Site(policy);
  await makeHost(site);
  site.run(["apply"]);
  site.run(["hook", "install"]);
  runs.set("sound", site.run(["doctor", "--json"]));
  for (const { cause } of faults) await cause();
  runs.set("broken", site.run(["doctor", "--json"]));
  runs.set("fixed", site.run(["doctor", "--fix", "--json"]));
  for (const { undo } of faults) await undo?.();
  runs.set("mended", site.run(["doctor", "--json"]));
}, 240_000);

afterAll(async () => {
  rmSync("/run/systemd", { recursive: true, force: true });
  await mustRun(["iptables", "-P", "INPUT", "ACCEPT"]);
  await site.close();
  await unmakeHost();
});

test("a sound host has no findings, and what does not apply to it is named", () => {
  expect(reportOf("sound")).toMatchObject({
    findings: [],
    skipped: [
      { id: "table-owner", reason: "virtwall's daemon does not run", isRefused: false },
      { id: "boot-order", reason: "systemd does not run here", isRefused: false },
    ],
    mended: [],
  });
  expect(runs.get("sound")?.status).toBe(0);
});

describe("on the broken host", () => {
  test.each(faults.map(({ id, seen }) => [id, seen]))("%s finds %s", (id, seen) => {
    const evidence = reportOf("broken")
      .findings.filter((finding) => finding.id === id)
      .flatMap((finding) => finding.evidence);
    expect(evidence.join("\n")).toContain(seen);
  });

  test("the exit status is 1, and nothing was changed", () => {
    expect(runs.get("broken")?.status).toBe(1);
    expect(reportOf("broken").mended).toEqual([]);
  });
});

describe("--fix", () => {
  test.each(faults.filter(({ undo }) => !undo).map(({ id, seen }) => [id, seen]))(
    "mends %s (%s)",
    (id) => {
      const { mended, findings } = reportOf("fixed");
      expect(mended.filter((step) => step.id === id && step.done !== undefined)).not.toEqual([]);
      expect(findings.filter((finding) => finding.id === id)).toEqual([]);
    },
  );

  test("leaves the others, and says so by its exit status", () => {
    const left = new Set(reportOf("fixed").findings.map(({ id }) => id));
    expect(left).toEqual(new Set(faults.filter(({ undo }) => undo).map(({ id }) => id)));
    expect(runs.get("fixed")?.status).toBe(1);
  });

  test("keeps settings for the next boot", () => {
    const text = readFileSync("/etc/sysctl.d/99-virtwall.conf", "utf8");
    expect(text).toContain("\nnet/ipv4/ip_forward = 1\n");
    expect(text).toContain("\nnet/ipv6/conf/eth0/accept_ra = 2\n");
  });
});

test("a host that was mended by hand has no findings", () => {
  expect(reportOf("mended").findings).toEqual([]);
  expect(runs.get("mended")?.status).toBe(0);
});

test("the units that come with virtwall start in order, beside each of libvirt's daemons", async () => {
  await aside(dropIn);
  for (const name of ["virtwall", "virtwall-early", "virtwall-gate"]) writeUnit(name);
  for (const name of ["virtqemud", "virtnetworkd", "virtlxcd"]) {
    write(`/etc/systemd/system/${name}.service`, "[Unit]\n");
  }
  const { stdout } = site.run(["doctor", "boot-order"]);
  expect(stdout).toBe("0 errors, 0 warnings, 1 without a finding, 0 skipped\n");
});

test("a libvirt that runs no hooks in folders is told by its version", () => {
  const shims = "/run/old-libvirt";
  write(`${shims}/virtnetworkd`, "#!/bin/sh\necho 'virtnetworkd (libvirt) 6.4.0'\n", 0o755);
  const told = (path: string) =>
    site.run(["doctor", "libvirt-faults"], { env: { ...process.env, PATH: path } }).stdout;
  const path = process.env["PATH"] ?? "";
  expect(told(`${shims}:${path}`)).toMatch(/runs no hooks in folders[^]*seen: libvirt 6\.4\.0/);
  expect(told(path)).toContain("0 errors, 0 warnings");
});

test("one examination is asked for by its id, and an id that is none is named", () => {
  const { status, stdout } = site.run(["doctor", "taps", "clock"]);
  expect(stdout).toBe("0 errors, 0 warnings, 2 without a finding, 0 skipped\n");
  expect(status).toBe(0);
  expect(site.run(["doctor", "tabs"])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("did you mean taps?"),
  });
});

test("rules of iptables-legacy beside those of iptables on nftables are told until they are gone", () => {
  // A table of the legacy variant stays as long as its namespace does: this one is gone with the script.
  const script = `
    iptables-nft -A OUTPUT -j ACCEPT; iptables-legacy -A OUTPUT -j ACCEPT
    "$@"; iptables-legacy -F; "$@"`;
  const virtwall = [process.execPath, join(builtPrograms, "bin/virtwall"), ...site.options];
  const asked = [...virtwall, "doctor", "iptables-variants"];
  const { stdout } = spawnSync("unshare", ["--net", "sh", "-c", script, "sh", ...asked], {
    encoding: "utf8",
  });
  const [broken = "", mended = ""] = stdout.split(/(?<=skipped\n)/);
  expect(broken).toContain("iptables-legacy-save: 1 rule");
  expect(mended).toBe("0 errors, 0 warnings, 1 without a finding, 0 skipped\n");
});

test("without libvirt the rest is looked at, and what could not be is named, with the reason once", () => {
  const program = [join(builtPrograms, "bin/virtwall"), "--policy", site.policyFile];
  const { status, stdout } = spawnSync(
    process.execPath,
    [...program, "doctor", "taps", "clock", "macvtap"],
    {
      encoding: "utf8",
    },
  );
  expect(stdout).toMatch(
    /^skipped: taps, macvtap: (libvirt|virsh) .*\n0 errors, 0 warnings, 1 without/,
  );
  expect(status).toBe(3);
});

describe("what is seen of a host", () => {
  const host = new ThisHost({
    hooks: { daemonSocket: "/run/none", requiredFile: "/run/none", node: "node" },
    files: [],
  });

  test("every feature that rules of ours are made of", async () => {
    const features = await host.look("features");
    expect([...features]).toEqual(kernelFeatures.map((name) => [name, true]));
  });

  test("the table of connections", async () => {
    const settings = await host.look("settings");
    for (const name of ["count", "max", "buckets"]) {
      expect(Number(settings.get(`net/netfilter/nf_conntrack_${name}`))).toBeGreaterThanOrEqual(0);
    }
    expect(settings.get("net/ipv4/ip_forward")).toBe(soundSettings["net.ipv4.ip_forward"]);
  });

  test("listeners with address, device and program", async () => {
    const own = createServer();
    await new Promise<void>((resolve) => own.listen(8088, "198.51.100.1", () => resolve()));
    const listeners = await host.look("listeners");
    await new Promise((resolve) => own.close(resolve));
    expect(listeners).toContainEqual({
      protocol: "tcp",
      address: "198.51.100.1",
      families: [4],
      port: 8088,
      program: expect.any(String),
    });
  });

  test("addresses that a router gave, and the routes of every table", async () => {
    await ip("route add 192.0.2.0/24 dev eth1 table 77\n");
    const [links, routes] = await Promise.all([host.look("links"), host.look("routes")]);
    expect(links.find(({ name }) => name === "eth0")?.addresses).toMatchObject([
      { address: "198.51.100.1", isAutomatic: false },
      { address: "2001:db8:1::1", isAutomatic: false },
    ]);
    expect(routes).toContainEqual(
      expect.objectContaining({ family: 6, devices: ["eth0"], protocol: "ra" }),
    );
    expect(routes).toContainEqual(expect.objectContaining({ table: "77", devices: ["eth1"] }));
  });
});

import { describe, expect, test } from "vitest";
import type { Table } from "../nft/ast.ts";
import { accept, equal, meta, rule, value } from "../nft/build.ts";
import type { HookFacts, LibvirtFacts, OwnHook } from "../ports/host-facts.ts";
import { classicHooks } from "./classic-hooks.ts";
import { dhcpChecksum } from "./dhcp-checksum.ts";
import type { Facts } from "./facts.ts";
import { libvirtFaults } from "./libvirt-faults.ts";
import { libvirtHooks } from "./libvirt-hooks.ts";
import { libvirtLeftovers } from "./libvirt-leftovers.ts";
import { libvirtRules } from "./libvirt-rules.ts";
import {
  desiredOf,
  find,
  guest,
  libvirtSave,
  network,
  nicOf,
  savedRule,
  soundHost,
} from "./sound-host.fake.ts";

function libvirt(version: readonly number[], changes: Partial<LibvirtFacts> = {}): LibvirtFacts {
  return { version, networkBackends: [], tables: [], ...changes };
}

const bridge = value("br-front");
const nftTable: Table = {
  family: "ip",
  name: "libvirt_network",
  sets: [],
  chains: [
    {
      name: "guest_cross",
      rules: [rule(equal(meta("iif"), bridge), equal(meta("oif"), bridge), accept)],
    },
  ],
};

const onNftables = libvirt([11, 3, 0], {
  networkBackends: ["nftables"],
  tables: [nftTable],
});

describe("libvirt's own rules", () => {
  test("are there in the one place or the other", () => {
    expect(find(libvirtRules, soundHost())).toEqual([]);
    expect(find(libvirtRules, soundHost({ saves: [], libvirt: onNftables }))).toEqual([]);
  });

  test("that were flushed are found, and how libvirt gets them back", () => {
    const flushed = { ...onNftables, tables: [] };
    expect(find(libvirtRules, soundHost({ saves: [], libvirt: flushed }))).toMatchObject([
      {
        message: "libvirt's own rules for its network 'front' are gone",
        fix: { text: expect.stringContaining("twice") },
      },
    ]);
    const old = libvirt([9, 0, 0]);
    const [finding] = find(libvirtRules, soundHost({ saves: [], libvirt: old }));
    expect(finding?.fix.text).toBe("systemctl restart virtnetworkd (or libvirtd)");
  });

  test("are not asked of an open network", () => {
    const networks = [network("front", { forward: "open" })];
    const desired = desiredOf({ inventory: { networks } });
    expect(find(libvirtRules, soundHost({ saves: [], desired }))).toEqual([]);
  });
});

describe("what libvirt's other backend has left", () => {
  const jump = { name: "FORWARD", policy: "ACCEPT", rules: [savedRule("-j LIBVIRT_FWI")] };
  const left = [{ ...libvirtSave, tables: [{ name: "filter", chains: [jump, ...emptied()] }] }];

  test("in iptables goes, with the jumps to it", () => {
    expect(find(libvirtLeftovers, soundHost({ saves: left, libvirt: onNftables }))).toMatchObject([
      {
        evidence: [
          "libvirt 11.3.0 with firewall_backend nftables",
          "iptables -t filter: chain LIBVIRT_FWI",
        ],
        fix: {
          steps: [
            {
              kind: "iptables",
              command: "iptables",
              script:
                "*filter\n-D FORWARD -j LIBVIRT_FWI\n-F LIBVIRT_FWI\n-X LIBVIRT_FWI\nCOMMIT\n",
            },
          ],
        },
      },
    ]);
    expect(find(libvirtLeftovers, soundHost({ saves: [], libvirt: onNftables }))).toEqual([]);
  });

  test("in nftables goes as a table", () => {
    const facts = soundHost({
      libvirt: libvirt([11, 3, 0], { backend: "iptables", tables: [nftTable] }),
    });
    expect(find(libvirtLeftovers, facts)).toMatchObject([
      { fix: { steps: [{ kind: "nft", script: "delete table ip libvirt_network\n" }] } },
    ]);
    expect(find(libvirtLeftovers, soundHost())).toEqual([]);
  });

  test("is left alone where nobody knows which backend is in use", () => {
    const unsaid = libvirt([11, 3, 0], { tables: [nftTable] });
    const [finding] = find(libvirtLeftovers, soundHost({ saves: left, libvirt: unsaid }));
    expect(finding?.fix.steps).toBeUndefined();
    expect(find(libvirtLeftovers, soundHost({ saves: [], libvirt: unsaid }))).toEqual([]);
  });
});

function emptied() {
  return [{ name: "LIBVIRT_FWI", rules: [] }];
}

describe("faults of libvirt's version", () => {
  const at = { file: "x", line: 1, column: 1 };
  const filterRef = { filter: "clean-traffic", parameters: new Map(), at };
  const filtered = desiredOf({
    inventory: { guests: [{ ...guest(1, "front"), nics: [{ ...nicOf(1), filterRef }] }] },
  });
  const firewalld: Facts["firewalld"] = {
    defaultZone: "public",
    active: new Map(),
    zones: [],
    policies: new Map(),
    permanent: { hasZone: false, policies: new Map() },
  };
  const messages = (changes: Partial<Facts>) =>
    find(libvirtFaults, soundHost(changes)).map(({ message }) => message);

  test("strike only where the host gives them cause", () => {
    expect(messages({ libvirt: libvirt([6, 0, 0]) })).toEqual([]);
    expect(messages({ libvirt: onNftables })).toEqual([]);
  });

  test("hooks in folders before 6.5", () => {
    const hooks: HookFacts = { own: [ownHook("installed")], others: [] };
    expect(messages({ hooks, libvirt: libvirt([6, 4, 9]) })).toEqual([
      "this libvirt runs no hooks in folders, so none of ours",
    ]);
    expect(messages({ hooks, libvirt: libvirt([6, 5, 0]) })).toEqual([]);
  });

  test("filters on nftables", () => {
    const tables = [{ family: "bridge", name: "libvirt_nwfilter_inet" }] as const;
    expect(messages({ tables, desired: filtered })).toEqual([
      expect.stringContaining("misreads some"),
    ]);
  });

  test("filters while firewalld reloads, before 11.6", () => {
    const changes = { firewalld, desired: filtered };
    expect(messages({ ...changes, libvirt: libvirt([11, 5, 9]) })).toEqual([
      expect.stringContaining("without filters for a moment"),
    ]);
    expect(messages({ ...changes, libvirt: libvirt([11, 6, 0]) })).toEqual([]);
  });

  test("the nftables backend behind a service that flushes", () => {
    const unit = {
      file: "/lib/nftables.service",
      isEnabled: true,
      before: [],
      after: [],
      wants: [],
    };
    const units = { isBooted: true, units: new Map([["nftables.service", unit]]) };
    expect(find(libvirtFaults, soundHost({ units, libvirt: onNftables }))).toMatchObject([
      { fix: { text: "virtwall adopt front" } },
    ]);
    expect(messages({ units, libvirt: libvirt([11, 3, 0], { backend: "iptables" }) })).toEqual([]);
  });

  test("routed networks behind firewalld before 8.10", () => {
    const desired = desiredOf({
      inventory: { networks: [network("front", { forward: "route" })] },
    });
    const changes = { desired, firewalld };
    expect(messages({ ...changes, libvirt: libvirt([8, 9, 0]) })).toEqual([
      expect.stringContaining("lets nobody in"),
    ]);
    expect(messages({ ...changes, libvirt: libvirt([8, 10, 0]) })).toEqual([]);
  });
});

function ownHook(state: OwnHook["state"], blind: OwnHook["blind"] = []): OwnHook {
  return { driver: "qemu", file: "/etc/libvirt/hooks/qemu.d/virtwall", state, blind };
}

describe("our hooks", () => {
  const findOf = (hook: OwnHook) =>
    find(libvirtHooks, soundHost({ hooks: { own: [hook], others: [] } }));

  test("that are missing or of another version are written", () => {
    for (const state of ["missing", "stale"] as const) {
      expect(findOf(ownHook(state))).toMatchObject([
        {
          evidence: [`/etc/libvirt/hooks/qemu.d/virtwall: ${state}`],
          fix: { text: "virtwall hook install", steps: [{ kind: "hook", driver: "qemu" }] },
        },
      ]);
    }
    expect(findOf(ownHook("installed"))).toEqual([]);
  });

  test("in whose place something else stands are a person's matter", () => {
    expect(findOf(ownHook("foreign"))[0]?.fix.steps).toBeUndefined();
  });

  test("that libvirt does not know of are found", () => {
    expect(findOf(ownHook("installed", [{ name: "virtqemud", pid: 7 }]))).toMatchObject([
      { fix: { text: "systemctl restart virtqemud (guests go on running)" } },
    ]);
  });
});

test("a hook of others that forwards ports is found, with its lines", () => {
  const script = `#!/bin/sh
if [ "$1" = web1 ]; then
  iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 192.168.122.10:80
fi
`;
  const file = "/etc/libvirt/hooks/qemu";
  const findOf = (text: string) =>
    find(classicHooks, soundHost({ hooks: { own: [], others: [{ file, text }] } }));
  expect(findOf(script)).toMatchObject([
    {
      evidence: ["/etc/libvirt/hooks/qemu:3"],
      fix: { text: expect.stringContaining("virtwall import /etc/libvirt/hooks/qemu >") },
    },
  ]);
  expect(findOf("#!/bin/sh\nlogger started $1\n")).toEqual([]);
});

describe("checksums of DHCP answers", () => {
  const open = network("front", { forward: "open", hasDhcp: true });
  const findIn = (served: typeof open, changes: Partial<Facts> = {}) => {
    const desired = desiredOf({ inventory: { networks: [served], leases: [] } });
    return find(dhcpChecksum, soundHost({ desired, ...changes }));
  };

  test("nobody fills in for a guest without a lease", () => {
    expect(findIn(open)).toMatchObject([
      {
        severity: "warning",
        evidence: [
          "policy.yaml: <dhcp>; libvirt makes no rules for an open network",
          "nic 52:54:00:00:00:01 of guest 'g1' has no lease",
        ],
        fix: {
          text: "iptables -t mangle -A POSTROUTING -o br-front -p udp --dport 68 -j CHECKSUM --checksum-fill",
        },
      },
    ]);
    const old = libvirt([10, 9, 0], { networkBackends: ["nftables"] });
    expect(findIn({ ...open, forward: "nat" }, { libvirt: old })).toHaveLength(1);
  });

  test("are filled in by libvirt, or by a rule", () => {
    expect(findIn({ ...open, forward: "nat" })).toEqual([]);
    expect(findIn({ ...open, forward: "nat" }, { libvirt: onNftables })).toEqual([]);
    const filled = (options: string): Facts["saves"] => {
      const rules = [savedRule(`${options} -p udp --dport 68 -j CHECKSUM --checksum-fill`)];
      const tables = [{ name: "mangle", chains: [{ name: "POSTROUTING", rules }] }];
      return [{ command: "iptables", unlisted: [], tables }];
    };
    expect(findIn(open, { saves: filled("-o br-front") })).toEqual([]);
    expect(findIn(open, { saves: filled("-o br-other") })).toHaveLength(1);
  });

  test("are of no matter to guests with leases, or where nobody serves DHCP", () => {
    const leased = desiredOf({ inventory: { networks: [open] } });
    expect(find(dhcpChecksum, soundHost({ desired: leased }))).toEqual([]);
    expect(findIn(network("front", { forward: "open" }))).toEqual([]);
  });
});

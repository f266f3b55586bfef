import { describe, expect, test } from "vitest";
import type { ForeignTable } from "../ports/kernel.ts";
import type { XtablesChain } from "../ports/xtables.ts";
import { hostFirewall } from "./host-firewall.ts";
import { iptablesVariants } from "./iptables-variants.ts";
import { kernelFeaturesThere } from "./kernel-features.ts";
import { markInUse } from "./mark-in-use.ts";
import { rulesInForce } from "./rules-in-force.ts";
import { savedRuleset } from "./saved-ruleset.ts";
import { tableOwner } from "./table-owner.ts";
import { twoFirewalls } from "./two-firewalls.ts";
import type { Facts } from "./facts.ts";
import type { SavedRule } from "../xtables/save.ts";
import { desiredOf, find, libvirtSave, savedRule, soundHost } from "./sound-host.fake.ts";

function dropping(changes: Partial<ForeignTable["chains"][number]> = {}): ForeignTable {
  const chain = {
    name: "forward",
    hook: "forward",
    priority: 0,
    policy: "drop",
    rules: [],
  } as const;
  return { family: "inet", name: "admin", chains: [{ ...chain, ...changes }] };
}

/** FORWARD of iptables, whose policy drops. */
function forward(): XtablesChain {
  const place = { command: "iptables", table: "filter", chain: "FORWARD" } as const;
  const rules = { guestFilters: 0, passPosition: 1, passRules: [], makers: [] };
  return { ...place, policy: "DROP", mayDrop: true, ...rules };
}

const insert =
  'insert rule inet admin forward meta mark & 0x10000000 == 0x10000000 accept comment "virtwall"';

function withIntegration(integration: "print" | "off"): Facts["desired"] {
  const { host } = desiredOf().policy;
  return desiredOf({ policy: { host: { ...host, integration } } });
}

describe("a firewall of the host that drops", () => {
  test("gets the pass rule that it lacks", () => {
    expect(find(hostFirewall, soundHost({ foreign: [dropping()] }))).toMatchObject([
      {
        severity: "error",
        evidence: ["inet admin forward: policy drop"],
        fix: { text: `nft '${insert}'`, steps: [{ kind: "nft", script: `${insert}\n` }] },
      },
    ]);
    const rules = [{ handle: 1, mayDrop: false, passes: 0x10000000, comment: "virtwall" }];
    expect(find(hostFirewall, soundHost({ foreign: [dropping({ rules })] }))).toEqual([]);
  });

  test("is only told of where the policy says so, and not looked at with off", () => {
    const facts = soundHost({ foreign: [dropping()] });
    const [finding] = find(hostFirewall, { ...facts, desired: withIntegration("print") });
    expect(finding?.fix.steps).toBeUndefined();
    expect(hostFirewall.examine({ ...facts, desired: withIntegration("off") })).toEqual({
      reason: "host.integration is off",
    });
  });

  test("and is iptables' is changed through iptables", () => {
    const xtables = [forward()];
    const [finding] = find(hostFirewall, soundHost({ xtables }));
    expect(finding?.fix.steps).toMatchObject([
      {
        kind: "iptables",
        command: "iptables",
        script: expect.stringContaining("-I FORWARD 1 -m mark"),
      },
    ]);
  });

  test("ahead of ours is found if all of its chain drops, and single rules are meant", () => {
    const early = dropping({ hook: "prerouting", priority: -300 });
    expect(find(hostFirewall, soundHost({ foreign: [early] }))).toMatchObject([
      { message: expect.stringContaining("ahead of virtwall"), fix: { text: expect.any(String) } },
    ]);
    const rules = [{ handle: 1, mayDrop: true }];
    const meant = dropping({ hook: "prerouting", priority: -300, policy: "accept", rules });
    expect(find(hostFirewall, soundHost({ foreign: [meant] }))).toEqual([]);
  });

  test("and has an owner cannot be mended from here", () => {
    const foreign = [{ ...dropping(), owner: "filterd" }];
    expect(find(hostFirewall, soundHost({ foreign }))).toMatchObject([
      {
        severity: "warning",
        evidence: ["inet admin forward: owned by filterd: nobody else can change it"],
      },
    ]);
  });
});

test("rules that are not in the kernel are found", () => {
  expect(
    find(rulesInForce, soundHost({ tables: [{ family: "inet", name: "virtwall" }] })),
  ).toMatchObject([{ evidence: ["there is no table bridge virtwall"] }]);
  const bare = desiredOf({
    inventory: { networks: [], guests: [] },
    policy: { guests: new Map() },
  });
  expect(find(rulesInForce, soundHost({ tables: [], desired: bare }))).toEqual([]);
});

test("tables that anybody can flush are found, and that nobody tells where no daemon runs", () => {
  expect(find(tableOwner, soundHost())).toEqual([]);
  const reason = "libnftables is not installed";
  const ownership = { mode: "restore", reason } as const;
  expect(find(tableOwner, soundHost({ ownership }))).toMatchObject([{ evidence: [reason] }]);
  expect(tableOwner.examine(soundHost({ ownership: undefined }))).toEqual({
    reason: "virtwall's daemon does not run",
  });
});

describe("two firewalls", () => {
  const unit = (isEnabled: boolean) => ({
    file: "/lib/u",
    isEnabled,
    before: [],
    after: [],
    wants: [],
  });
  const units = (names: readonly string[]) => ({
    isBooted: true,
    units: new Map(names.map((name) => [name, unit(true)])),
  });
  const ufwConf = { file: "/etc/ufw/ufw.conf", text: "# ufw\nENABLED=yes\nLOGLEVEL=low\n" };

  test("are found by their units, files and tables", () => {
    const facts = soundHost({ units: units(["nftables.service"]), rulesetFiles: [ufwConf] });
    expect(find(twoFirewalls, facts)).toMatchObject([
      {
        message: "ufw and nftables.service manage this host's firewall at once",
        evidence: [
          "ufw: /etc/ufw/ufw.conf: ENABLED=yes",
          "nftables.service: nftables.service is enabled",
        ],
      },
    ]);
    const tables = [{ family: "inet", name: "firewalld" }] as const;
    expect(find(twoFirewalls, { ...facts, rulesetFiles: [], tables })).toHaveLength(1);
  });

  test("are ended by the units that start them", () => {
    const both = units(["firewalld.service", "iptables.service", "ip6tables.service"]);
    expect(find(twoFirewalls, soundHost({ units: both }))).toMatchObject([
      {
        fix: {
          text: "keep one, and: systemctl disable --now firewalld, or systemctl disable --now iptables ip6tables",
        },
      },
    ]);
  });

  test("are not one, nor one that is switched off", () => {
    const off = { ...ufwConf, text: "ENABLED=no\n" };
    const one = soundHost({ units: units(["nftables.service"]), rulesetFiles: [off] });
    expect(find(twoFirewalls, one)).toEqual([]);
    const disabled = { isBooted: true, units: new Map([["nftables.service", unit(false)]]) };
    expect(find(twoFirewalls, soundHost({ units: disabled, rulesetFiles: [ufwConf] }))).toEqual([]);
  });

  const kept = (name: string, rules: readonly SavedRule[]): Facts["saves"] => [
    { command: "iptables", unlisted: [], tables: [{ name: "filter", chains: [{ name, rules }] }] },
  ];

  test("are Docker and ufw, in a way of their own", () => {
    const saves = kept("DOCKER", [savedRule("-j RETURN")]);
    expect(find(twoFirewalls, soundHost({ saves, rulesetFiles: [ufwConf] }))).toMatchObject([
      {
        message: "what Docker publishes is open whatever ufw says",
        evidence: [expect.any(String), "Docker: iptables -t filter DOCKER"],
      },
    ]);
    expect(find(twoFirewalls, soundHost({ saves }))).toEqual([]);
  });

  test("are not ufw that is switched off, whose chains stay behind empty", () => {
    const facts = { units: units(["nftables.service"]) };
    const on = kept("ufw-user-input", [savedRule("-j ACCEPT")]);
    expect(find(twoFirewalls, soundHost({ ...facts, saves: on }))).toHaveLength(1);
    const off = kept("ufw-user-input", []);
    expect(find(twoFirewalls, soundHost({ ...facts, saves: off }))).toEqual([]);
  });
});

describe("variants of iptables", () => {
  const legacy = { ...libvirtSave, command: "iptables-legacy" } as const;

  test("that both hold rules are found", () => {
    expect(find(iptablesVariants, soundHost({ saves: [libvirtSave, legacy] }))).toMatchObject([
      {
        evidence: ["iptables-save: 1 rule", "iptables-legacy-save: 1 rule"],
        fix: {
          text: "move the legacy rules over: iptables-legacy-save | iptables-restore -n && iptables-legacy -t filter -F",
        },
      },
    ]);
    expect(find(iptablesVariants, soundHost({ saves: [legacy] }))).toEqual([]);
    const empty = { ...legacy, tables: [{ name: "filter", chains: [] }] };
    expect(find(iptablesVariants, soundHost({ saves: [libvirtSave, empty] }))).toEqual([]);
  });

  test("that cannot list their own table are found", () => {
    const saves = [{ ...libvirtSave, unlisted: ["filter"] }];
    expect(find(iptablesVariants, soundHost({ saves }))).toMatchObject([
      { evidence: ["iptables-save: table filter is incompatible"] },
    ]);
  });
});

describe("our bit of the mark", () => {
  test("that others set or route by is found", () => {
    const rules = [savedRule("-s 10.0.0.0/8 -j MARK --set-xmark 0x10000000/0x10000000")];
    const tables = [{ name: "mangle", chains: [{ name: "FORWARD", rules }] }];
    const saves = [{ command: "iptables", unlisted: [], tables }] as const;
    expect(find(markInUse, soundHost({ saves }))).toMatchObject([
      { fix: { text: "policy: host: { mark: 0x20000000 }" } },
    ]);
    const mark = 0x30000000;
    const routingRules = [{ family: 6, text: "fwmark 0x30000000 lookup 9", mark }] as const;
    expect(find(markInUse, soundHost({ routingRules }))).toMatchObject([
      {
        evidence: ["ip -6 rule: fwmark 0x30000000 lookup 9"],
        fix: { text: "policy: host: { mark: 0x40000000 }" },
      },
    ]);
  });

  test("is not another's", () => {
    const rules = [savedRule("-j MARK --set-xmark 0x80000/0xff0000"), savedRule("-j ACCEPT")];
    const tables = [{ name: "mangle", chains: [{ name: "FORWARD", rules }] }];
    const saves = [{ command: "iptables", unlisted: [], tables }] as const;
    expect(find(markInUse, soundHost({ saves }))).toEqual([]);
  });
});

test("a file of the host's firewall that holds our tables is found, with lines", () => {
  const file = "/etc/nftables.conf";
  const text = "flush ruleset\ntable inet filter {\n}\ntable inet virtwall {\n}\n";
  expect(find(savedRuleset, soundHost({ rulesetFiles: [{ file, text }] }))).toMatchObject([
    { severity: "error", evidence: ["/etc/nftables.conf:4: table inet virtwall {"] },
  ]);
  const sound = { file, text: "table inet virtwallish {\n}\n" };
  expect(find(savedRuleset, soundHost({ rulesetFiles: [sound] }))).toEqual([]);
});

test("a feature that the kernel has not is named with the kernel's own word for it", () => {
  expect(
    find(kernelFeaturesThere, soundHost({ features: new Map([["nat", false]]) })),
  ).toMatchObject([
    { message: "this kernel has no nat", evidence: [expect.stringContaining("NFT_NAT")] },
  ]);
});

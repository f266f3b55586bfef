import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { docker } from "../world/foreign/docker.ts";
import { ForeignFirewalld } from "../world/foreign/firewalld.ts";
import type { ForeignFirewall } from "../world/foreign/foreign-firewall.ts";
import { ForeignRoot } from "../world/foreign/foreign-root.ts";
import { libvirtIptables, libvirtNftables } from "../world/foreign/libvirt.ts";
import {
  dockerNft,
  iptablesRules,
  nftFile,
  noFirewall,
  strictFamilies,
  strictNft,
} from "../world/foreign/rulesets.ts";
import { ufw } from "../world/foreign/ufw.ts";
import { parsePacketLines, type PacketLine } from "../world/packet-lines.ts";
import type { PacketRunner } from "../world/packet-runner.ts";
import { openPacketWorld } from "../world/packet-world.ts";
import { VirtwallOnHost } from "../world/virtwall-on-host.ts";
import type { World } from "../world/world.ts";
import { buildPrograms } from "./daemon-program.ts";

/*
 * virtwall's daemon and another firewall on one host, in every order of start, and real packets: every one of them meets the promise
 * of test/cases/beside-firewalls. What came of it stands in docs/coexistence-matrix.md.
 */
const { folder, inventory } = caseFolder("beside-firewalls");
const lines = parsePacketLines(readFileSync(join(folder, "packets.txt"), "utf8"));
const modes = ["nat", "routed", "private", "open", "lan"] as const;

let world: World;
let runner: PacketRunner;

beforeAll(async () => {
  await buildPrograms();
  ({ world, runner } = await openPacketWorld(inventory));
  await runner.listen(lines);
});
afterAll(() => world?.close());

interface Kind {
  readonly title: string;
  readonly make: () => Promise<ForeignFirewall>;
  /** Without virtwall nobody gets to a guest beside it. */
  readonly isClosed: boolean;
  /** Of the policy, ahead of that of the case. */
  readonly host?: string;
}

const mount = () => ForeignRoot.mount(world.hostNamespace);
/** The uplink's bridge is in a zone, as NetworkManager puts it: only so firewalld lets frames pass within it. */
const firewalld = (settings: Readonly<Record<string, string>>) => async () =>
  ForeignFirewalld.on(await mount(), settings, "br0");

const kinds: readonly Kind[] = [
  open("none", async () => noFirewall()),
  {
    ...open("none, integration: off", async () => noFirewall()),
    host: "host: { integration: off }\n",
  },
  closed("nftables, drop", async () => nftFile(world, strictNft, "flush ruleset\n")),
  closed("nftables, drop in ip, ip6, bridge", async () =>
    nftFile(world, strictFamilies, "flush ruleset\n"),
  ),
  closed("iptables-nft, drop", async () => iptablesRules(world, "iptables-nft")),
  closed("iptables-legacy, drop", async () => iptablesRules(world, "iptables-legacy")),
  closed("ufw 0.36", async () => ufw(await mount())),
  closed("firewalld 2.3", firewalld({})),
  closed("firewalld 2.3, table not owned", firewalld({ NftablesTableOwner: "no" })),
  closed("firewalld 2.3, iptables", firewalld({ FirewallBackend: "iptables" })),
  closed("Docker 26, iptables", async () => docker(world, await mount())),
  open("Docker 29, nftables (recorded)", async () =>
    nftFile(world, dockerNft, "delete table ip docker-bridges\n"),
  ),
  open("libvirt 11.3, iptables (recorded)", async () => libvirtIptables(world)),
  open("libvirt 11.3, nftables (recorded)", async () => libvirtNftables(world)),
];

function closed(title: string, make: Kind["make"]): Kind {
  return { title, make, isClosed: true };
}

function open(title: string, make: Kind["make"]): Kind {
  return { title, make, isClosed: false };
}

const orders = ["other first", "other restarted", "virtwall first"] as const;
type Order = (typeof orders)[number];
const results = new Map<string, string>();

/** Both settings of bridge-nf-call-iptables, which Docker for one switches on. */
async function sendAll(): Promise<
  readonly { readonly line: PacketLine; readonly found: string }[]
> {
  const found: { line: PacketLine; found: string }[] = [];
  for (const isOn of [false, true]) {
    await world.setBridgeNetfilter(isOn);
    const texts = await runner.run(lines);
    found.push(...lines.map((line, i) => ({ line, found: texts[i] ?? "" })));
  }
  return found;
}

/** The daemon answers a moment after what the other has done. */
async function expectKept(title: string, order: Order): Promise<void> {
  let found = await sendAll();
  const isKept = () => found.every((one) => one.found === one.line.text);
  for (let tries = 1; tries < 4 && !isKept(); tries += 1) found = await sendAll();
  for (const mode of modes) {
    const own = found.filter(({ line }) => modeOf(line) === mode);
    const kept = own.filter((one) => one.found === one.line.text);
    results.set(`${title} ${order} ${mode}`, `${kept.length} of ${own.length}`);
  }
  expect(found.map((one) => one.found)).toEqual(found.map(({ line }) => line.text));
}

/** Whether the world gets through to a routed guest, over IPv4 and IPv6. */
async function withoutVirtwall(): Promise<readonly string[]> {
  const direct = parsePacketLines("tcp46 world -> routed1:22 => blocked");
  const found = await runner.run(direct);
  return found.map((text) => (/=> (blocked|refused)$/.test(text) ? "closed" : "delivered"));
}

/** The mode of the first guest that a promise names, or of the guest that answers. */
function modeOf({ text }: PacketLine): string | undefined {
  return /\b(nat|routed|private|open|lan)[12]\b/.exec(text)?.[1];
}

describe.each(kinds)("beside $title", ({ title, make, isClosed, host = "" }) => {
  let other: ForeignFirewall;
  let virtwall: VirtwallOnHost;
  let before: string;

  beforeAll(async () => {
    other = await make();
    const env =
      other instanceof ForeignFirewalld ? { DBUS_SYSTEM_BUS_ADDRESS: other.busAddress } : {};
    const policy = host + readFileSync(join(folder, "policy.yaml"), "utf8");
    virtwall = new VirtwallOnHost(world, { policy, inventory, env });
  });
  afterAll(async () => {
    virtwall?.clean();
    await other?.stop();
    await other?.close();
    await world.onHost(["nft", "flush", "ruleset"]);
  });

  test("that was there first, guests have what policy says", async () => {
    await other.start();
    before = await other.listing();
    expect(await withoutVirtwall()).toEqual(Array(2).fill(isClosed ? "closed" : "delivered"));
    await virtwall.start();
    await virtwall.untilAtPeace();
    await expectKept(title, "other first");
  });

  test("that is restarted, guests have what policy says", async () => {
    await other.restart();
    await virtwall.untilAtPeace();
    await expectKept(title, "other restarted");
  });

  test("stopped with --clean, it is as it was", async () => {
    virtwall.clean();
    expect(await other.listing()).toBe(before);
    await other.stop();
  });

  test("that comes after virtwall, guests have what policy says", async () => {
    await virtwall.start();
    await other.start();
    await virtwall.untilAtPeace();
    await expectKept(title, "virtwall first");
  });
});

test("docs/coexistence-matrix.md says what was found", () => {
  const file = fileURLToPath(new URL("../../docs/coexistence-matrix.md", import.meta.url));
  const text = printMatrix();
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
  expect(readFileSync(file, "utf8")).toBe(text);
});

function printMatrix(): string {
  const head = ["beside", "order", "nat", "route", "isolated", "open", "bridge"];
  const rows = kinds.flatMap(({ title }) =>
    orders.map((order) => [
      title,
      order,
      ...modes.map((mode) => results.get(`${title} ${order} ${mode}`) ?? "not run"),
    ]),
  );
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]?.length ?? 0)));
  const print = (row: readonly string[]) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return `${intro}\n${[print(head), rule, ...rows.map(print)].join("\n")}\n`;
}

const intro = `# What was tried beside other firewalls

Written by \`test/kernel/coexistence.test.ts\` (\`UPDATE_GOLDEN=1\`), which fails where it is not so. A cell says how many packets met what
\`test/cases/beside-firewalls/packets.txt\` promises, over IPv4 and IPv6 and with both settings of \`bridge-nf-call-iptables\`: guest to world,
world to publication, world past it, guest to the host's DHCP and DNS and to what it may not have, host to guest, guest to guest. Each
firewall was there first, was restarted (or reloaded) under the daemon, and came after it; after \`virtwall stop --clean\` its own listing
was what it had been.

Real programs of Debian 13 on the host of a network made of namespaces, but for what is named as recorded: Docker's ruleset is its
documentation of what it writes, libvirt's has the shapes that libvirt itself writes there. libvirt itself runs in \`test/libvirt\`, where
guests stay as closed as they were after a flush that takes its rules, its reload, its restart and that of its network.
`;

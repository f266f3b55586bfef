import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { parsePacketLines } from "../world/packet-lines.ts";
import type { PacketRunner } from "../world/packet-runner.ts";
import { openPacketWorld } from "../world/packet-world.ts";
import { VirtwallOnHost } from "../world/virtwall-on-host.ts";
import type { World } from "../world/world.ts";
import { buildPrograms } from "./daemon-program.ts";

/* What other programs forward is made by their own means, imported, and taken away; then virtwall has to forward the same. */
const { inventory } = caseFolder("beside-firewalls");
const lines = parsePacketLines(`tcp4 world -> host:8080 => nat1:80 from world
udp4 internet -> host:7007 => nat1:7 from internet
`);
const promised = lines.map(({ text }) => text);

let world: World;
let runner: PacketRunner;
let publicAddress: string;
let guestAddress: string;
let hook: string;

beforeAll(async () => {
  await buildPrograms();
  const place = await openPacketWorld(inventory);
  ({ world, runner } = place);
  await world.setBridgeNetfilter(false);
  await runner.listen(lines);
  const first = (addresses: readonly string[] = []) => (addresses[0] ?? "").replace(/\/.*/, "");
  publicAddress = first(place.spec.uplink.addresses);
  guestAddress = first(place.spec.guests.find(({ name }) => name === "nat1")?.nics[0]?.addresses);
  const template = fileURLToPath(new URL("../../lab/classic-hook.sh", import.meta.url));
  hook = readFileSync(template, "utf8")
    .replace("@GUEST@", "nat1")
    .replace("@PUBLIC_IP@", publicAddress)
    .replace("@PRIVATE_IP@", guestAddress)
    .replace("@PORTS@", "tcp:8080:80 udp:7007:7");
});
afterAll(() => world?.close());

/** As libvirt calls it. */
async function callHook(operation: "start" | "stopped"): Promise<void> {
  const file = "/run/classic-hook";
  writeFileSync(file, hook);
  await world.onHost(["sh", file, "nat1", operation, "begin", "-"]);
}

/** What libvirt-hook-qemu (0.2.0) runs for a guest, with the file that it reads. */
const ofHooksJson = () => [
  "*nat",
  ":DNAT-nat1 - [0:0]",
  `-I PREROUTING -d ${publicAddress} -j DNAT-nat1`,
  `-A DNAT-nat1 -p tcp -d ${publicAddress} --dport 8080 -j DNAT --to ${guestAddress}:80`,
  `-A DNAT-nat1 -p udp -d ${publicAddress} --dport 7007 -j DNAT --to ${guestAddress}:7`,
  "COMMIT",
  "",
];
const hooksJson = () =>
  JSON.stringify({
    nat1: {
      public_ip: publicAddress,
      private_ip: guestAddress,
      port_map: { tcp: [[8080, 80]], udp: [[7007, 7]] },
    },
  });
const ofNft = () => `table ip forwards {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr ${publicAddress} tcp dport 8080 dnat to ${guestAddress}:80
		ip daddr ${publicAddress} udp dport 7007 dnat to ${guestAddress}:7
	}
}
`;

interface Source {
  readonly title: string;
  /** Makes the forwards. */
  readonly put: () => Promise<unknown>;
  /** What is imported. */
  readonly text: () => string | Promise<string>;
}

const sources: readonly Source[] = [
  { title: "a hook script", put: () => callHook("start"), text: () => hook },
  {
    title: "what iptables-save lists of a hook's rules",
    put: () => callHook("start"),
    text: () => world.onHost(["iptables-save"]),
  },
  {
    title: "hooks.json of libvirt-hook-qemu",
    put: () => world.onHost(["iptables-restore", "--noflush"], ofHooksJson().join("\n")),
    text: hooksJson,
  },
  {
    title: "what nft lists of the admin's own forwards",
    put: () => world.onHost(["nft", "-f", "-"], ofNft()),
    text: () => world.onHost(["nft", "list", "ruleset"]),
  },
];

test.each(sources)("$title is carried over: the same packets arrive", async ({ put, text }) => {
  await put();
  expect(await runner.run(lines)).toEqual(promised);
  const importer = new VirtwallOnHost(world, { policy: "{}\n", inventory });
  const file = join(importer.folder, "source");
  writeFileSync(file, await text());
  const { status, text: printed } = importer.run("import", file);
  expect([status, printed]).toEqual([0, expect.stringContaining("nat1")]);

  await world.onHost(["nft", "flush", "ruleset"]);
  expect(await runner.run(lines)).not.toEqual(promised);

  const virtwall = new VirtwallOnHost(world, { policy: printed, inventory });
  await virtwall.start();
  try {
    expect(await runner.run(lines)).toEqual(promised);
  } finally {
    virtwall.clean();
  }
});

test("the hook takes its own rules away again, and none is left of it", async () => {
  await callHook("start");
  await callHook("stopped");
  expect(await world.onHost(["iptables-save"])).not.toContain(guestAddress);
});

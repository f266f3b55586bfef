import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { caseFolder } from "../world/case-folders.ts";
import { ForeignRoot } from "../world/foreign/foreign-root.ts";
import type { ForeignFirewall } from "../world/foreign/foreign-firewall.ts";
import { ufw } from "../world/foreign/ufw.ts";
import { parsePacketLines } from "../world/packet-lines.ts";
import type { PacketRunner } from "../world/packet-runner.ts";
import { openPacketWorld } from "../world/packet-world.ts";
import { VirtwallOnHost } from "../world/virtwall-on-host.ts";
import type { World } from "../world/world.ts";
import { buildPrograms } from "./daemon-program.ts";

/* What the matrix beside other firewalls leaves out of ufw: switched off and on, MANAGE_BUILTINS, and integration by the admin's own hand. */
const { folder, inventory } = caseFolder("beside-firewalls");
const lines = parsePacketLines(readFileSync(join(folder, "packets.txt"), "utf8"));
const promised = lines.map(({ text }) => text);
const policyText = readFileSync(join(folder, "policy.yaml"), "utf8");

let world: World;
let root: ForeignRoot;
let other: ForeignFirewall;
let runner: PacketRunner;
let before: string;

beforeAll(async () => {
  await buildPrograms();
  ({ world, runner } = await openPacketWorld(inventory));
  await world.setBridgeNetfilter(false);
  await runner.listen(lines);
  root = await ForeignRoot.mount(world.hostNamespace);
  const file = "etc/default/ufw";
  const settings = await readFile(join(root.folder, file), "utf8");
  // Each reload flushes the built-in chains then, and the pass rules in them.
  await root.write(file, settings.replace("MANAGE_BUILTINS=no", "MANAGE_BUILTINS=yes"));
  other = ufw(root);
  await other.start();
  before = await other.listing();
});
afterAll(async () => {
  await other?.close();
  await world?.close();
});

const ufwOf = (virtwall: VirtwallOnHost) =>
  virtwall.status().integration.firewalls.find(({ name }) => name === "ufw");

test("switched off and on again, and reloaded with its built-in chains flushed, it lets guests pass", async () => {
  const virtwall = new VirtwallOnHost(world, { policy: policyText, inventory });
  await virtwall.start();
  await virtwall.untilAtPeace();
  expect(ufwOf(virtwall)).toEqual({ name: "ufw", state: "passed" });
  await other.stop();
  await other.start();
  await virtwall.untilAtPeace();
  expect(await runner.run(lines)).toEqual(promised);
  await other.restart();
  await virtwall.untilAtPeace();
  expect(await runner.run(lines)).toEqual(promised);
  virtwall.clean();
  expect(await other.listing()).toBe(before);
});

test("with `print` what status says, done by hand, lets guests pass and outlives its reload", async () => {
  const policy = `host: { integration: print }\n${policyText}`;
  const virtwall = new VirtwallOnHost(world, { policy, inventory });
  await virtwall.start();
  const { chains } = virtwall.status().integration;
  const advice = chains.flatMap(({ line }) => line ?? []);
  expect(ufwOf(virtwall)?.state).toBe("needed");
  const files = new Map<string, string>();
  for (const line of advice) {
    const [, rule = "", file = ""] =
      /^(-I .*) in \/(\S+), ahead of COMMIT; then ufw reload$/.exec(line) ?? [];
    const text = files.get(file) ?? (await readFile(join(root.folder, file), "utf8"));
    files.set(file, text.replace("\nCOMMIT", `\n${rule}\nCOMMIT`));
  }
  expect([...files.keys()].toSorted()).toEqual(["etc/ufw/before.rules", "etc/ufw/before6.rules"]);
  for (const [file, text] of files) await root.write(file, text);
  await other.restart();
  await virtwall.untilAtPeace();
  expect(ufwOf(virtwall)).toEqual({ name: "ufw", state: "passed" });
  expect(await runner.run(lines)).toEqual(promised);
  await other.restart();
  expect(await runner.run(lines)).toEqual(promised);
  virtwall.clean();
});

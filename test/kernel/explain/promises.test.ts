import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toBits } from "../../../src/base/address.ts";
import { answer, type Answer } from "../../../src/explain/answer.ts";
import { readHost, settingsOf, type LinkRow } from "../../../src/explain/read-host.ts";
import type { Ground } from "../../../src/explain/walk.ts";
import { readTables } from "../../../src/nft/read.ts";
import type { PacketLine } from "../../world/packet-lines.ts";
import type { PacketRunner } from "../../world/packet-runner.ts";
import {
  enforceCase,
  openPacketWorld,
  packetCases,
  type PacketWorld,
} from "../../world/packet-world.ts";
import type { World } from "../../world/world.ts";

const total = { asked: 0, unknown: 0 };

/*
 * What each packets.txt promises, and the kernel keeps, asked of explain: its answer is the promise, or that it does not know.
 */
describe.each(packetCases)("in the world of %s", (_, inventory, cases) => {
  let place: PacketWorld;
  beforeAll(async () => {
    place = await openPacketWorld(inventory);
  });
  afterAll(() => place?.world.close());

  describe.each(cases)("%s", (_name, caseFolder) => {
    test.each(["0", "1"] as const)("explain agrees, bridge-nf-call-iptables=%s", async (value) => {
      const { world, runner } = place;
      const lines = await enforceCase(place, caseFolder, value);
      // Neighbours and bridges learn who is where.
      await runner.run(lines);
      const ground = await readGround(world);
      const answers = lines.map((line) => ({ line, found: ask(ground, runner, line) }));
      const wrong = answers.filter(({ line, found }) => !agrees(runner, line, found));
      expect(wrong.map(({ line, found }) => `${line.text}: ${JSON.stringify(found)}`)).toEqual([]);
      total.asked += answers.length;
      total.unknown += answers.filter(({ found }) => found.verdict === "unknown").length;
    });
  });
});

test("explain knows most answers", () => {
  expect(total.unknown).toBeLessThan(0.15 * total.asked);
});

function ask(ground: Ground, runner: PacketRunner, line: PacketLine): Answer {
  const { from, to } = runner.ends(line);
  return answer(ground, {
    protocol: line.protocol,
    family: line.family,
    from: toBits(from),
    to: toBits(to),
    ...(line.port > 0 && { port: line.port }),
    ...(line.sourcePort !== undefined && { sourcePort: line.sourcePort }),
  });
}

function agrees(runner: PacketRunner, { outcome }: PacketLine, found: Answer): boolean {
  if (found.verdict === "unknown") return true;
  if (outcome.kind === "blocked") return found.verdict !== "delivered";
  if (found.verdict !== "delivered") return false;
  if (outcome.kind !== "answered" || found.rewritten === undefined) return true;
  return (
    runner.ownerOf(found.rewritten.address) === outcome.by && found.rewritten.port === outcome.port
  );
}

async function readGround(world: World): Promise<Ground> {
  const list = async (...command: readonly string[]) => {
    const text = await world.onHost(command);
    return text.trim() === "" ? [] : (JSON.parse(text) as never[]);
  };
  const links: LinkRow[] = await list("ip", "-j", "-d", "addr");
  const names = settingsOf(links).map((path) => `/proc/sys/${path}`);
  const values = await world.onHost([
    "sh",
    "-c",
    'for f; do echo "$f $(cat $f)"; done',
    "sh",
    ...names,
  ]);
  const settings = values.split("\n").map((line) => line.replace("/proc/sys/", "").split(" "));
  const routes = (family: string) => list("ip", "-j", family, "route", "show", "table", "all");
  const ruleset: unknown = JSON.parse(await world.onHost(["nft", "-j", "list", "ruleset"]));
  const host = readHost({
    links,
    routing: {
      rules: { 4: await list("ip", "-j", "-4", "rule"), 6: await list("ip", "-j", "-6", "rule") },
      routes: { 4: await routes("-4"), 6: await routes("-6") },
    },
    neighbours: await list("ip", "-j", "neigh"),
    forwarding: await list("bridge", "-j", "fdb"),
    settings: new Map(settings.map(([path = "", value = ""]) => [path, value])),
    nics: [],
    listeners: [],
    queues: new Set(),
    clock: { seconds: 0, zones: [0] },
  });
  // What comes to the host is answered by its agent.
  return { tables: readTables(ruleset), host: { ...host, hears: () => true } };
}

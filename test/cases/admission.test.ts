import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAddress } from "../../src/base/address.ts";
import type { Flow } from "../../src/model/flow.ts";
import { Admission } from "../../src/reconcile/admission.ts";
import { caseFolders } from "../world/case-folders.ts";
import { soundCase } from "../world/compile-case.ts";
import { readWorldSpec } from "../world/inventory-world.ts";
import { parsePacketLines, type PacketLine } from "../world/packet-lines.ts";
import { Directory } from "../world/packet-runner.ts";

/*
 * What packets.txt promises, and real packets keep, is what `Admission` says of whole flows: `virtwall diff --reach` and the cutting of
 * flows rest on it.
 */

/** Here filters of nics, or a firewall that is not ours, block what virtwall's own policy would let pass. */
const blockedByOthers = new Set([
  "bridged",
  "filters",
  "filters-learning",
  "filters-packets",
  "foreign-traffic",
  "groups-bridged",
  "open-without-mode",
]);

/** The host's own firewall blocks what is for the host itself, and DHCP is admitted to whoever asks. */
function isOthersMatter(name: string, { from, to, port, outcome, sourcePort }: PacketLine): boolean {
  if (outcome.kind !== "blocked") return false;
  const isToHost = from === "world" && ["host", "198.51.100.7"].includes(to);
  const isJudged = name === "host-input" && port !== 9105;
  return blockedByOthers.has(name) || sourcePort !== undefined || (isToHost && !isJudged);
}

function addressOf(text: string) {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(text);
  return address;
}

test.each(caseFolders("packets.txt"))("the flows of $name are admitted as promised", async (one) => {
  const { desired } = await soundCase(one.folder);
  if (desired === undefined) throw new Error("nothing is compiled");
  const admission = new Admission(desired);
  const directory = new Directory(await readWorldSpec(one.inventory));
  const isAdmitted = (line: PacketLine): boolean => {
    const { from, to } = directory.ends(line);
    const destination = addressOf(to);
    const published = desired.compiled.intent.publications.find(
      ({ address, protocol, public: { first, last } }) =>
        address === destination &&
        protocol === line.protocol &&
        first <= line.port &&
        line.port <= last,
    );
    const plain: Flow = {
      key: "",
      protocol: line.protocol,
      source: addressOf(from),
      destination,
      port: line.port,
      answerer: destination,
      answererPort: line.port,
      isAnswered: false,
    };
    if (published === undefined) return admission.admitsPlain(plain);
    const answererPort = published.guestPorts.first + line.port - published.public.first;
    const led = { ...plain, answerer: published.guestAddress, answererPort };
    return admission.admitsPublished(led);
  };
  const text = await readFile(join(one.folder, "packets.txt"), "utf8");
  const lines = parsePacketLines(text).filter((line) => !isOthersMatter(one.name, line));
  const wrong = lines.filter((line) => isAdmitted(line) !== (line.outcome.kind !== "blocked"));
  expect(lines).not.toEqual([]);
  expect(wrong.map((line) => line.text)).toEqual([]);
});

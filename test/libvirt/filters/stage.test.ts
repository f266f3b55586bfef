import { afterAll, beforeAll, expect, test } from "vitest";
import { startWorld, type World } from "../../../lab/world.ts";
import { broadcastMac } from "../../world/frame.ts";
import { protocolNumber } from "../../world/packet.ts";
import { guest, ipStep, linkOf, makeStage, neighbour, type Place, type Stage } from "./stage.ts";

let lab: World;
let stage: Stage;
beforeAll(async () => {
  lab = await startWorld();
  stage = await makeStage(lab, { namespace: "ours" });
});
afterAll(() => lab?.stop());

const places: readonly Place[] = ["guest", "neighbour", "host", "world"];
const ways = places.flatMap((from) =>
  places.filter((to) => to !== from).map((to) => [from, to] as const),
);

test.each(["four", "six"] as const)(
  "without a filter each packet of family %s arrives where it is sent, and nowhere else",
  async (family) => {
    const protocols = Object.values(protocolNumber);
    const steps = ways.flatMap(([from, to]) =>
      protocols.map((protocol) => ipStep(from, to, { protocol, family })),
    );
    const heard = await stage.send(steps);
    const expected = ways.flatMap(([, to]) => protocols.map(() => to));
    expect(heard).toEqual(expected);
  },
);

test("broadcast and what is no IP reach all ends of the bridge", async () => {
  const arp = {
    kind: "arp",
    sourceMac: guest.mac,
    source: guest.four,
    targetMac: "00:00:00:00:00:00",
    target: neighbour.four,
  } as const;
  const bodies = [
    arp,
    { ...arp, kind: "rarp" },
    { kind: "stp" },
    { kind: "other", type: 0x88b5 },
  ] as const;
  const link = { from: guest.mac, to: broadcastMac };
  const steps = bodies.map((body) => ({ from: "guest", packet: { ...link, body } }) as const);
  expect(await stage.send(steps)).toEqual(bodies.map(() => "host neighbour"));
  const tagged = { ...linkOf("guest", "neighbour"), vlan: 5, body: arp };
  expect(await stage.send([{ from: "guest", packet: tagged }])).toEqual(["neighbour"]);
});

test("a packet that the host's firewall drops is seen nowhere", async () => {
  await stage.must(
    ["nft", "-f", "-"],
    "table inet block {\nchain input { type filter hook input priority 0; policy drop; }\n}\n",
  );
  const steps = [
    ipStep("guest", "host", { protocol: 17 }),
    ipStep("guest", "neighbour", { protocol: 17 }),
  ];
  expect(await stage.send(steps)).toEqual(["", "neighbour"]);
  await stage.must(["nft", "delete", "table", "inet", "block"]);
});

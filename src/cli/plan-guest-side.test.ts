import { expect, test } from "vitest";
import { planGuestSide } from "./plan-guest-side.ts";

const nic = (inside: string) =>
  `<domain><devices><interface type='bridge'><mac address='52:54:00:00:00:01'/>
  <source bridge='br0'/>${inside}<filterref filter='clean-traffic'/></interface></devices></domain>`;

const obstacles = (xml: string) =>
  planGuestSide({ side: "live", xml, metadata: undefined, own: undefined, written: undefined })
    .obstacles;

test("a filter is not taken over for a nic on which nothing of ours could enforce it", () => {
  expect(obstacles(nic(""))).toEqual([]);
  expect(obstacles(nic("<virtualport type='openvswitch'/>"))).toEqual([
    "nic 52:54:00:00:00:01: virtwall enforces no filter there: Open vSwitch carries it",
  ]);
});

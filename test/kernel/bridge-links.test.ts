import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

import { mustRun } from "../../lab/run-program.ts";
import { BridgeLinks } from "../../src/edge/host/bridge-links.ts";

/** Loads a rule for real, where {@link BridgeLinks} only tries. */
function loads(statements: string): boolean {
  const chain = "{ type filter hook prerouting priority 1; }";
  const words = [
    "nft",
    `add table bridge t; add chain bridge t c ${chain}; add rule bridge t c ${statements}`,
  ];
  return spawnSync("unshare", ["--net", ...words]).status === 0;
}

test("what this kernel can do on bridges is told as it is", async () => {
  const { isTracked, canReject } = await new BridgeLinks().bridges();
  expect(isTracked).toBe(loads("ct direction original"));
  expect(canReject).toBe(loads("reject"));
});

test("asking leaves nothing in the kernel", async () => {
  await new BridgeLinks().bridges();
  expect(await mustRun(["nft", "list", "tables", "bridge"])).toBe("");
});

test.each([
  ["0", "0", []],
  ["1", "0", [4]],
  ["0", "1", [6]],
  ["1", "1", [4, 6]],
])("frames cross the chains of the families that are set: %s %s", async (ipv4, ipv6, filtered) => {
  const set = (name: string, value: string) => `net.bridge.bridge-nf-call-${name}=${value}`;
  await mustRun(["sysctl", "-q", "-w", set("iptables", ipv4), set("ip6tables", ipv6)]);
  expect((await new BridgeLinks().bridges()).filtered).toEqual(filtered);
});

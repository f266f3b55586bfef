import { readlinkSync } from "node:fs";
import { networkInterfaces } from "node:os";

/**
 * Throws unless the test runner's own network and mount namespace is around us: tests that make links, namespaces and firewall
 * tables must never run in the machine's own. The runner names the namespace it left; that nothing here has an address proves it.
 */
export function assertPrivateNamespace(): void {
  const outer = process.env["VIRTWALL_OUTER_NETNS"];
  const addresses = Object.values(networkInterfaces())
    .flat()
    .filter((entry) => entry !== undefined && !entry.internal);
  const isLeft = outer !== undefined && outer !== readlinkSync("/proc/self/ns/net");
  if (isLeft && addresses.length === 0) return;
  throw new Error("a world is made in a private namespace only: npm run test:kernel");
}

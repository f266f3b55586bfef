import { readlinkSync } from "node:fs";

/** Refuses to run tests that change links and rulesets where they would change the machine's own. */
export function setup(): void {
  const outer = process.env["VIRTWALL_OUTER_NETNS"];
  if (outer === undefined || outer === readlinkSync("/proc/self/ns/net")) {
    throw new Error(
      "these tests run in a network namespace of their own only: npm run test:kernel, " +
        "or scripts/in-namespace.sh COMMAND",
    );
  }
}

import { join } from "node:path";
import { expect, test } from "vitest";
import { projectRoot } from "../../lab/project-root.ts";
import { mustRun } from "../../lab/run-program.ts";

test("the demo shows what it promises", async () => {
  // It ends with 1 where a page did not come, or anything was lost with virtwall.
  const printed = await mustRun(["node", join(projectRoot(), "dist/lab/demo.js")], {
    timeoutMs: 300_000,
  });
  expect(printed).toMatch(/^ {2}web1 {2}tcp\/8080:80 .* active to 192\.168\.122\.10 /m);
  expect(printed).not.toContain("NOT AS PROMISED");
}, 310_000);

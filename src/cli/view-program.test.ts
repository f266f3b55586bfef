import { expect, test } from "vitest";
import { buildProgram } from "./program.ts";

const silent = { out: () => undefined, err: () => undefined };

test.each([
  ["chek", "unknown command 'chek'; did you mean check?"],
  ["web1", "unknown command 'web1'; there are check, plan"],
])("topology %s is refused, and what there is is said", async (word, message) => {
  const program = buildProgram(silent, () => undefined);
  await expect(program.parseAsync(["topology", word], { from: "user" })).rejects.toThrow(message);
});

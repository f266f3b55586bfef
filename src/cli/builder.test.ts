import { expect, test } from "vitest";
import { buildProgram } from "./program.ts";

test.each([
  [
    "publish add",
    "virtwall: missing required argument 'guest'\n(see virtwall publish add --help)\n",
  ],
  ["status x --zzz", "virtwall: unknown option '--zzz'\n(see virtwall status --help)\n"],
  ["zzz", "virtwall: unknown command 'zzz'\n(see virtwall --help)\n"],
])("what is wrong with `virtwall %s` comes with where its help is", async (words, expected) => {
  let said = "";
  const output = { out: () => undefined, err: (text: string) => void (said += text) };
  const program = buildProgram(output, () => undefined);
  await expect(program.parseAsync(words.split(" "), { from: "user" })).rejects.toThrow();
  expect(said).toBe(expected);
});

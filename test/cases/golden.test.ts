import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { printRuleset } from "../../src/nft/print.ts";
import { caseFolders } from "../world/case-folders.ts";
import { compileCase } from "../world/compile-case.ts";

/** `npm run golden` writes what the product says now; the reader of the git diff decides whether it is right. */
const isRewriting = process.env["UPDATE_GOLDEN"] === "1";

async function expectGolden(file: string, text: string): Promise<void> {
  if (isRewriting) await writeFile(file, text);
  if (!existsSync(file)) throw new Error(`${file} is missing: npm run golden writes it`);
  expect(text).toBe(await readFile(file, "utf8"));
}

const cases = caseFolders("policy.yaml").map(({ name, folder }) => [name, folder] as const);

describe.each(cases)("%s", (_, folder) => {
  test("has the ruleset and the problems that are written down", async () => {
    const { tables, problemText } = await compileCase(folder);
    const isWrong = tables.length === 0;
    if (!isWrong) await expectGolden(join(folder, "ruleset.nft"), printRuleset(tables));
    const problems = join(folder, "problems.txt");
    if (isWrong || problemText !== "") await expectGolden(problems, problemText);
    else expect(existsSync(problems), "problems.txt without a problem").toBe(false);
    if (isWrong) expect(existsSync(join(folder, "ruleset.nft"))).toBe(false);
  });

  test("says why it is there, and what becomes of packets or what is wrong", async () => {
    const why = await readFile(join(folder, "why.md"), "utf8");
    expect(why.trim()).toMatch(/^[A-Z`].{20,}\.$/);
    const [packets, problems] = ["packets.txt", "problems.txt"].map((name) =>
      existsSync(join(folder, name)),
    );
    expect(packets === true || problems === true).toBe(true);
  });
});

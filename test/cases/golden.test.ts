import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkPolicy } from "../../src/check/check-policy.ts";
import { printRuleset } from "../../src/nft/print.ts";
import { caseFolders } from "../world/case-folders.ts";
import { compileCase } from "../world/compile-case.ts";

const isRewriting = process.env["UPDATE_GOLDEN"] === "1";

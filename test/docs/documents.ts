import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../..");

export function readDocument(name: string): string {
  return readFileSync(join(repository, name), "utf8");
}

/** Everything written for people, by its path. */
export function documentNames(): string[] {
  const pages = readdirSync(join(repository, "docs"), { recursive: true, encoding: "utf8" });
  const own = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];
  return [...own, ...pages.filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
}

/** The fenced blocks of a language, in order. */
export function fencedBlocks(text: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm");
  return [...text.matchAll(fence)].map(([, body = ""]) => body);
}

/** Words set in code type in the first column of tables. */
export function firstColumnWords(text: string): string[] {
  const cells = [...text.matchAll(/^\| ([^|]*`[^|]*) \|/gm)].map(([, cell = ""]) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word));
}

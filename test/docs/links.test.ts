import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { documentNames, readDocument } from "./documents.ts";

const repository = join(import.meta.dirname, "../..");

test.each(documentNames())("%s links only to what exists", (file) => {
  const targets = [...readDocument(file).matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].flatMap(
    ([, target]) => (target === undefined || target.includes("://") ? [] : [target]),
  );
  const dead = targets.filter((target) => !existsSync(join(repository, dirname(file), target)));
  expect(dead).toEqual([]);
});

test.each(documentNames())("%s names only files of the repository that exist", (file) => {
  const names = [
    ...readDocument(file).matchAll(/`((?:src|test|docs|bench|scripts|lab)\/[\w./-]+)`/g),
  ].map(([, name = ""]) => name);
  expect(names.filter((name) => !existsSync(join(repository, name)))).toEqual([]);
});

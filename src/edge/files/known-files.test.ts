import { mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KnownFiles } from "./known-files.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "virtwall-"));
  file = join(folder, "a.xml");
});

afterEach(() => rmSync(folder, { recursive: true }));

test("a file that was written just now is read as it is, whatever its times say", () => {
  const files = new KnownFiles();
  for (const text of ["one", "two", "six"]) {
    writeFileSync(file, text);
    utimesSync(file, 1, 1);
    expect(files.read(file)).toEqual({ file, text });
  }
});

test("what is gone, a link in a circle and a folder are told as by whoever reads them", () => {
  const files = new KnownFiles();
  expect(files.read(file)).toBeUndefined();
  symlinkSync("a.xml", file);
  expect(() => files.read(file)).toThrow(`cannot read ${file}`);
  expect(() => files.read(folder)).toThrow("not a regular file");
});

test("a file that has settled is not opened again", () => {
  const files = new KnownFiles();
  const settled = "/etc/passwd";
  const first = files.read(settled);
  expect(first?.text).toContain("root:");
  expect(files.read(settled)).toBe(first);
  files.keep([{ file: settled, text: "" }]);
  expect(files.read(settled)).toBe(first);
  files.keep([]);
  expect(files.read(settled)).not.toBe(first);
});

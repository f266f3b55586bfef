import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateError } from "../../ports/state.ts";
import { putBack } from "./put-back.ts";
import { Unconfirmed } from "./unconfirmed.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "virtwall-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const saying = (text: string) => ({
  policy: [{ file: join(folder, "policy.yaml"), text }],
  ownFilters: [],
});
const read = (name: string) => readFileSync(join(folder, name), "utf8");

test("what stood there is kept, each time under a name of its own, for the same to read", async () => {
  const file = join(folder, "policy.yaml");
  writeFileSync(file, "first");
  chmodSync(file, 0o600);
  await putBack(saying("second"), saying("first"));
  await putBack(saying("third"), saying("second"));
  expect(read("policy.yaml")).toBe("third");
  expect([read("policy.yaml.before"), read("policy.yaml.before.2")]).toEqual(["first", "second"]);
  expect(statSync(join(folder, "policy.yaml.before")).mode & 0o777).toBe(0o600);
});

test("what a link leads to is written, and the link stays one", async () => {
  const file = join(folder, "policy.yaml");
  writeFileSync(join(folder, "kept.yaml"), "first");
  symlinkSync("kept.yaml", file);
  await putBack(saying("second"), saying("first"));
  expect([readlinkSync(file), read("kept.yaml")]).toEqual(["kept.yaml", "second"]);
});

test("what cannot be written leaves no copy beside, however often it is tried", async () => {
  writeFileSync(join(folder, "policy.yaml"), "first");
  const inTheWay = `.policy.yaml.${process.pid}.new`;
  mkdirSync(join(folder, inTheWay));
  await expect(putBack(saying("second"), saying("first"))).rejects.toThrow("cannot write");
  expect(readdirSync(folder)).toEqual([inTheWay, "policy.yaml"]);
  expect(read("policy.yaml")).toBe("first");
});

test("a file that is not to be is put aside, and what has no text is left alone", async () => {
  writeFileSync(join(folder, "policy.yaml"), "first");
  const unread = { file: join(folder, "nwfilter/x.xml"), text: "", unread: "it is a link" };
  const present = { ...saying("first"), ownFilters: [unread] };
  await putBack({ policy: [], ownFilters: [unread] }, present);
  expect(readdirSync(folder)).toEqual(["policy.yaml.before"]);
});

test("a change that was confirmed, or is another's, cannot be taken", async () => {
  const unconfirmed = new Unconfirmed(folder);
  await unconfirmed.save({ id: "one", seconds: 60 });
  expect(await unconfirmed.take("another")).toBeUndefined();
  expect((await unconfirmed.load())?.id).toBe("one");
  expect(await unconfirmed.confirm()).toBe(true);
  expect(await unconfirmed.take("one")).toBeUndefined();
  expect(await unconfirmed.confirm()).toBe(false);
});

test("a change that is being taken back can be confirmed by nobody", async () => {
  const unconfirmed = new Unconfirmed(folder);
  await unconfirmed.save({ id: "one", seconds: 60, before: saying("first") });
  const claim = await unconfirmed.claim();
  expect((await unconfirmed.take("one"))?.before).toEqual(saying("first"));
  expect(await unconfirmed.confirm()).toBe(false);
  expect(unconfirmed.isThere()).toBe(true);
  claim?.letGo();
  expect(await unconfirmed.confirm()).toBe(true);
  expect(unconfirmed.isThere()).toBe(false);
});

test("a change that cannot be moved is neither confirmed nor taken back, and still waits", async () => {
  const unconfirmed = new Unconfirmed(folder);
  await unconfirmed.save({ id: "one", seconds: 60 });
  // Nothing can be renamed to a folder, nor a folder be removed as a file.
  mkdirSync(join(folder, "taking-back.json"));
  await expect(unconfirmed.take("one")).rejects.toThrow(StateError);
  expect((await unconfirmed.load())?.id).toBe("one");
  await expect(unconfirmed.finish()).rejects.toThrow(StateError);
  mkdirSync(join(folder, "unconfirmed.json"));
  await expect(unconfirmed.confirm()).rejects.toThrow("it is not confirmed");
});

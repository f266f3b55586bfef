import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sourceContract } from "../../ports/sources-contract.fake.ts";
import { FilterFolders } from "./filter-folders.ts";

let folder: string;
let own: string;
let libvirt: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  own = join(folder, "own");
  libvirt = join(folder, "libvirt");
});

afterEach(() => rm(folder, { recursive: true }));

async function add(to: string, name: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await writeFile(join(to, name), `<filter name='${name}'/>`);
}

sourceContract("filter folders", () => {
  const source = new FilterFolders(own, libvirt);
  return Promise.resolve({
    read: () => source.read(),
    watch: (listener) => source.watch(listener),
    change: () => add(own, "web.xml"),
    close: () => undefined,
  });
});

test("folders that are not there hold no filter", async () => {
  expect(await new FilterFolders(own, libvirt).read()).toEqual({ ownFilters: [], filters: [] });
});

test("each folder's XML files are read by name, and nothing else", async () => {
  for (const name of ["b.xml", "a.xml", "a.xml~", ".c.xml", "d.xml.new"]) await add(own, name);
  await add(libvirt, "clean-traffic.xml");
  const { ownFilters, filters } = await new FilterFolders(own, libvirt).read();
  expect(ownFilters.map(({ file }) => file)).toEqual([join(own, "a.xml"), join(own, "b.xml")]);
  expect(filters.map(({ file }) => file)).toEqual([join(libvirt, "clean-traffic.xml")]);
});

test("a change in libvirt's folder is told", async () => {
  await mkdir(libvirt);
  let count = 0;
  const stop = new FilterFolders(own, libvirt).watch(() => count++);
  try {
    await add(libvirt, "web.xml");
    await expect.poll(() => count).toBeGreaterThan(0);
  } finally {
    stop();
  }
});

test("a folder that cannot be read is a refusal, not an empty one", async () => {
  await writeFile(own, "");
  await expect(new FilterFolders(own, libvirt).read()).rejects.toThrow(`cannot read ${own}`);
});

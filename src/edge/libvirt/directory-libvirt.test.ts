import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sourceContract } from "../../ports/sources-contract.fake.ts";
import { SourceError } from "../../ports/sources.ts";
import { DirectoryLibvirt } from "./directory-libvirt.ts";

sourceContract("inventory folder", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  await mkdir(join(folder, "leases"));
  const source = new DirectoryLibvirt(folder);
  return {
    read: () => source.read(),
    watch: (listener) => source.watch(listener),
    change: () => writeFile(join(folder, "leases/virbr0.status"), "[]"),
    close: () => rm(folder, { recursive: true }),
  };
});

test("a folder that is not there is a refusal, not an empty inventory", async () => {
  await expect(new DirectoryLibvirt("/nonexistent").read()).rejects.toThrow(SourceError);
});

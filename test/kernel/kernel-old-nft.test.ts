import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { NftKernel } from "../../src/edge/nft/kernel.ts";
import { KernelError } from "../../src/ports/kernel.ts";

it("nft that is too old is refused with its version and the one that is needed", async () => {
  const folder = mkdtempSync("/run/old-");
  writeFileSync(join(folder, "nft"), "#!/bin/sh\necho 'nftables v1.0.2 (Lester Gooch)'\n", {
    mode: 0o755,
  });
  process.env["PATH"] = `${folder}:${process.env["PATH"]}`;
  const kernel = new NftKernel("a test without a gate");
  const error: unknown = await kernel.commit("add table inet t\n").catch((e: unknown) => e);
  expect(error).toBeInstanceOf(KernelError);
  expect(error).toMatchObject({ missing: "nftables" });
  expect((error as KernelError).message).toMatch(/1\.0\.2.*needs nft 1\.0\.6/);
});

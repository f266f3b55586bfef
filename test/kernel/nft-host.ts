import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Listing {
  readonly json: unknown;
  readonly text: string;
}

/** nft or the kernel refused one of the scripts. */
export class NftRefusal extends Error {
  override readonly name = "NftRefusal";
}

/**
 * Loads the scripts one after the other into the nft of an own, empty network namespace, and lists the ruleset after each. Throws
 * {@link NftRefusal} with nft's words; throws plainly where root or nft is missing, because a kernel test that cannot run has
 * failed.
 */
export function loadInTurn(...scripts: readonly string[]): Listing[] {
  const folder = mkdtempSync(join(tmpdir(), "virtwall-nft-"));
  try {
    for (const [index, script] of scripts.entries()) {
      writeFileSync(join(folder, `${index}.nft`), script);
    }
    const steps = scripts.map(
      (_, index) =>
        `nft -f ${index}.nft && nft -j list ruleset > ${index}.json && nft list ruleset > ${index}.txt`,
    );
    runInNamespace(folder, ["set -e", ...steps].join("\n"));
    return scripts.map((_, index) => ({
      json: JSON.parse(readFileSync(join(folder, `${index}.json`), "utf8")) as unknown,
      text: readFileSync(join(folder, `${index}.txt`), "utf8"),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runInNamespace(folder: string, script: string): void {
  const probe = spawnSync("unshare", ["--net", "nft", "--version"], { encoding: "utf8" });
  if (probe.error !== undefined || probe.status !== 0) {
    throw new Error(
      `kernel tests need root, unshare and nft: ${probe.error?.message ?? probe.stderr}`,
    );
  }
  const run = spawnSync("unshare", ["--net", "sh", "-c", script], {
    cwd: folder,
    encoding: "utf8",
  });
  if (run.status !== 0) throw new NftRefusal(run.stderr);
}

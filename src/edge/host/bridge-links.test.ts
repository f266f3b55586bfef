import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BridgeLinks } from "./bridge-links.ts";

test("what the kernel takes on a bridge is asked again where nobody could be asked", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const path = process.env["PATH"];
  const links = new BridgeLinks();
  try {
    process.env["PATH"] = "/nonexistent";
    expect((await links.bridges()).isTracked).toBeUndefined();
    process.env["PATH"] = `${folder}:${path ?? ""}`;
    // One that is ended by a signal has not said no.
    const program = (check: string) =>
      writeFile(
        join(folder, "nft"),
        `#!/bin/sh\ncase $1 in --version) echo "nftables v1.0.6" ;; *) ${check} ;; esac\n`,
        { mode: 0o755 },
      );
    await program("kill -KILL $$");
    expect((await links.bridges()).isTracked).toBeUndefined();
    await program("cat >/dev/null");
    expect(await links.bridges()).toMatchObject({ isTracked: true, canReject: true });
    await program("exit 1");
    expect(await links.bridges()).toMatchObject({ isTracked: true, canReject: true });
  } finally {
    process.env["PATH"] = path;
    await rm(folder, { recursive: true });
  }
});

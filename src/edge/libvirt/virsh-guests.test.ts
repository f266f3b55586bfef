import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { VirshGuests } from "./virsh-guests.ts";

test("a guest is found by its whole name, spaces and all", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const names = [" web1", "web1", "web1 ", "two  spaces", "two spaces"];
  const guests = names.map(
    (name, index) =>
      `<domain type='test'><name>${name}</name><uuid>00000000-0000-4000-8000-00000000000${index}</uuid>
        <memory>1024</memory><os><type>hvm</type></os></domain>`,
  );
  await writeFile(join(folder, "node.xml"), `<node>${guests.join("")}</node>`);
  try {
    const control = new VirshGuests(`test://${folder}/node.xml`, "urn:own");
    const found = await Promise.all([...names, "web"].map((name) => control.find(name)));
    expect(found.map((guest) => guest?.uuid.slice(-1))).toEqual([
      "0",
      "1",
      "2",
      "3",
      "4",
      undefined,
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

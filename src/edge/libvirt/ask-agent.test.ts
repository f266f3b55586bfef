import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { askAgent } from "./ask-agent.ts";

const uuid = "6695eb01-f6a4-8304-79aa-97f2502e193f";

/** As virsh 9.0 prints with `-q --full`; the guest has called its first interface something like a row. */
const rows = ` lo         00:00:00:00:00:00    ipv4         127.0.0.1/8
 x 52:54:00:00:00:02 ipv4 10.0.0.66/24 y 52:54:00:00:00:01    ipv4         10.0.0.9/24
 eth0       52:54:00:00:00:01    ipv6         fe80::5054:ff:fe00:1/64
 eth0       52:54:00:00:00:01    N/A          N/A
`;

/** What is made of that output of virsh. */
async function readOf(printed: string): ReturnType<typeof askAgent> {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const path = process.env["PATH"];
  try {
    await writeFile(join(folder, "virsh"), `#!/bin/sh\ncat <<'END'\n${printed}END\n`);
    await chmod(join(folder, "virsh"), 0o755);
    process.env["PATH"] = `${folder}:${path}`;
    return await askAgent("test:///default", uuid);
  } finally {
    process.env["PATH"] = path;
    await rm(folder, { recursive: true });
  }
}

test("what virsh prints is read from the end of each row", async () => {
  expect(await readOf(rows)).toEqual([
    { uuid, mac: "00:00:00:00:00:00", address: "127.0.0.1" },
    { uuid, mac: "52:54:00:00:00:01", address: "10.0.0.9" },
    { uuid, mac: "52:54:00:00:00:01", address: "fe80::5054:ff:fe00:1" },
  ]);
});

test("of a guest that names addresses without end the first few hundred count", async () => {
  const row = (index: number) => ` eth0 52:54:00:00:00:01 ipv6 fd00::${index.toString(16)}/64\n`;
  const many = Array.from({ length: 10_000 }, (_, index) => row(index + 1)).join("");
  const answer = await readOf(many);
  expect(answer?.length).toBeLessThan(1_000);
  expect(answer?.at(-1)?.address).toBe(`fd00::${answer?.length.toString(16)}`);
});

test("the test driver's guest is asked through virsh", async () => {
  expect(await askAgent("test:///default", uuid)).toEqual([
    { uuid, mac: "aa:bb:cc:dd:ee:ff", address: "192.168.122.3" },
  ]);
});

test("an agent of which libvirt does not know has no answer", async () => {
  const nobody = "00000000-0000-0000-0000-000000000000";
  expect(await askAgent("test:///default", nobody)).toBeUndefined();
});

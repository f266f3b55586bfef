import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { startLibvirt } from "../../lab/libvirt.ts";
import { projectRoot } from "../../lab/project-root.ts";
import type { ProgramResult } from "../../lab/run-program.ts";
import { startWorld, type World } from "../../lab/world.ts";

const uuid = "11111111-2222-3333-4444-555555555555";
const web = `<filter name='web' chain='ipv4-web' priority='-650'>
  <uuid>${uuid}</uuid>
  <rule action='accept' direction='in' priority='100'>
    <ip protocol='tcp' dstportstart='0x50' comment='the &lt;web&gt;'/>
  </rule>
  <filterref filter='allow-arp'/>
</filter>
`;

let world: World;

beforeAll(async () => {
  world = await startWorld();
  await startLibvirt(world);
});

afterAll(async () => {
  await world?.stop();
});

async function both(
  ...words: readonly string[]
): Promise<{ libvirt: ProgramResult; virtwall: ProgramResult }> {
  const [command = "", ...rest] = words;
  const program = [process.execPath, join(projectRoot(), "bin", "virtwall")];
  return {
    libvirt: await world.run(["virsh", `nwfilter-${command}`, ...rest]),
    virtwall: await world.run([...program, "nwfilter", command, ...rest]),
  };
}

async function file(name: string, text: string): Promise<string> {
  const path = join(world.folder, name);
  await writeFile(path, text);
  return path;
}

/** Both say and do the same. */
function expectSame({ libvirt, virtwall }: Awaited<ReturnType<typeof both>>): void {
  expect(virtwall.stdout).toBe(libvirt.stdout);
  expect(virtwall.status).toBe(libvirt.status);
}

test("a filter is defined in the same words, and its XML comes out the same by name and by UUID", async () => {
  expectSame(await both("define", await file("web.xml", web)));
  expectSame(await both("define", await file("web.xml", web)));
  expectSame(await both("dumpxml", "web"));
  expectSame(await both("dumpxml", uuid));
  expectSame(await both("define", "--validate", "--file", await file("web.xml", web)));
  expectSame(await both("dumpxml", "--nwfilter", "web"));
});

test("the list looks the same, and has every filter that libvirt has", async () => {
  const { libvirt, virtwall } = await both("list");
  const [head, rule, ...rows] = virtwall.stdout.split("\n");
  const [theirHead, theirRule, ...theirRows] = libvirt.stdout.split("\n");
  expect(head).toBe(theirHead);
  expect(rule).toMatch(/^-+$/);
  const longest = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));
  expect((rule?.length ?? 0) - longest(rows)).toBe((theirRule?.length ?? 0) - longest(theirRows));
  const names = (lines: readonly string[]) =>
    lines.map((line) => /^ [0-9a-f-]{36} {3}(.+)$/.exec(line)?.[1]);
  expect(names(rows)).toEqual(expect.arrayContaining(names(theirRows)));
  expect(rows).toContain(` ${uuid}   web`);
});

test.each([
  ["another UUID", web.replace(uuid, uuid.replaceAll("1", "9"))],
  ["another name", web.replace("'web'", "'other'")],
  ["no chain that there is", web.replace("ipv4-web", "zz")],
  ["no XML", "<filter"],
])("what has %s is refused by both", async (_what, text) => {
  const { libvirt, virtwall } = await both("define", await file("bad.xml", text));
  expect([libvirt.status, virtwall.status]).toEqual([1, 1]);
  const [, words = ""] =
    /error: (Failed to define network filter from \S+)/.exec(libvirt.stderr) ?? [];
  expect(words).not.toBe("");
  expect(virtwall.stderr).toContain(words);
});

test("a file that is not there is refused by both", async () => {
  const { libvirt, virtwall } = await both("define", "/nosuch.xml");
  expect([libvirt.status, virtwall.status]).toEqual([1, 1]);
  const words = libvirt.stderr.replace(/^error: /, "").trim();
  expect(virtwall.stderr.toLowerCase()).toContain(words.toLowerCase());
});

test("an editor that changes nothing, and one that does, are told in the same words", async () => {
  const edit = async (editor: string) => {
    const command = (program: string) => ["sh", "-c", `EDITOR='${editor}' ${program} web`];
    const bin = `${process.execPath} ${join(projectRoot(), "bin", "virtwall")}`;
    const [libvirt, virtwall] = [
      await world.run(["env", "-u", "VISUAL", ...command("virsh nwfilter-edit")]),
      await world.run(["env", "-u", "VISUAL", ...command(`${bin} nwfilter edit`)]),
    ];
    expectSame({ libvirt, virtwall });
  };
  await edit("true");
  await edit("sed -i s/accept/drop/");
  expectSame(await both("dumpxml", "web"));
});

test("a filter is undefined in the same words, and is then unknown to both", async () => {
  expectSame(await both("undefine", "web"));
  const gone = await both("dumpxml", "web");
  expect([gone.libvirt.status, gone.virtwall.status]).toEqual([1, 1]);
  expect(gone.virtwall.stderr).toContain("failed to get nwfilter 'web'");
  expect(gone.libvirt.stderr).toContain("failed to get nwfilter 'web'");
});

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLibvirtd } from "../../../lab/libvirt.ts";
import { startWorld, type World } from "../../../lab/world.ts";
import { parseFilterXml } from "../../../src/parse/filter-xml.ts";
import { printFilterXml } from "../../../src/parse/print-filter.ts";
import { misreadRules, plainRules } from "./written-rules.ts";

let lab: World;
beforeAll(async () => {
  lab = await startWorld();
  await startLibvirtd(lab);
});
afterAll(() => lab?.stop());

function virsh(...commands: readonly string[]): Promise<string> {
  return lab.must(["virsh", "--quiet", "-c", "nwfilter:///system", commands.join("; ")]);
}

/** What libvirt makes of the text, as it shows it. */
async function libvirtsOwn(text: string): Promise<string> {
  const file = join(lab.folder, "filter.xml");
  await writeFile(file, text);
  await virsh(`nwfilter-define ${file}`);
  const name = /<filter\s[^>]*name=["']([^"']+)/.exec(text)?.[1] ?? "";
  const dump = await virsh(`nwfilter-dumpxml ${name}`);
  await virsh(`nwfilter-undefine ${name}`);
  return `${dump.trim()}\n`;
}

/** What we make of it, with the UUID that libvirt gave. */
function ours(text: string, dump: string, isCompat: boolean): string {
  const uuid = /<uuid>(.*)<\/uuid>/.exec(dump)?.[1] ?? "";
  const { filter, problems } = parseFilterXml({ file: "filter.xml", text }, { isCompat });
  return filter === undefined
    ? problems.map(({ message }) => message).join("\n")
    : printFilterXml({ ...filter, uuid });
}

test("the filters that libvirt brings along are shown as libvirt shows them, and no word of theirs is misread", async () => {
  const list = await virsh("nwfilter-list");
  const names = list.split("\n").flatMap((line) => line.trim().split(/\s+/)[1] ?? []);
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) {
    const dump = `${(await virsh(`nwfilter-dumpxml ${name}`)).trim()}\n`;
    const text = await lab.must(["cat", `/etc/libvirt/nwfilter/${name}.xml`]);
    expect(ours(text, dump, false)).toBe(dump);
  }
});

test("every word of the language is shown as libvirt shows it", async () => {
  for (const [head, rules] of plainRules) {
    const text = `<filter name='written' ${head}>${rules}</filter>`;
    const dump = await libvirtsOwn(text);
    expect(ours(text, dump, false)).toBe(dump);
    expect(ours(dump, dump, false)).toBe(dump);
  }
});

test("what libvirt misreads is refused, and read as libvirt does where that is asked for", async () => {
  for (const [head, rules] of misreadRules) {
    const text = `<filter name='written' ${head}>${rules}</filter>`;
    const dump = await libvirtsOwn(text);
    const file = { file: "filter.xml", text };
    expect(parseFilterXml(file, { isCompat: false }).filter, text).toBeUndefined();
    expect(ours(text, dump, true)).toBe(dump);
  }
});

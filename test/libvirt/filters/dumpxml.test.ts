import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startLibvirtd } from "../../../lab/libvirt.ts";
import { trixieRoot } from "../../../lab/trixie.ts";
import { startWorld, type World } from "../../../lab/world.ts";
import { parseFilterXml } from "../../../src/parse/filter-xml.ts";
import { printFilterXml } from "../../../src/parse/print-filter.ts";
import { misreadRules, plainRules, refusedLater } from "./written-rules.ts";

/** What we make of it, with the UUID that libvirt gave. */
function ours(text: string, dump: string, isCompat: boolean): string {
  const uuid = /<uuid>(.*)<\/uuid>/.exec(dump)?.[1] ?? "";
  const { filter, problems } = parseFilterXml({ file: "filter.xml", text }, { isCompat });
  return filter === undefined
    ? problems.map(({ message }) => message).join("\n")
    : printFilterXml({ ...filter, uuid });
}

const versions = [
  ["libvirt 9.0", () => Promise.resolve({}), false],
  ["libvirt 11.3", async () => ({ root: await trixieRoot() }), true],
] as const;

/** libvirt 9.0 writes negated and other attributes of a rule in one order, into as many elements as that takes. */
function asShown(dump: string, isSplitBySign: boolean): string {
  return isSplitBySign || !dump.includes("match='no'") ? dump : ours(dump, dump, false);
}

describe.each(versions)("beside %s", (_, options, isSplitBySign) => {
  let lab: World;
  beforeAll(async () => {
    lab = await startWorld(await options());
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
      const shown = asShown(dump, isSplitBySign);
      expect(ours(text, dump, false)).toBe(shown);
      expect(ours(dump, dump, false)).toBe(shown);
    }
  });

  test("what libvirt misreads is refused, and read as libvirt does where that is asked for", async () => {
    const refused: string[] = [];
    for (const [head, rules] of misreadRules) {
      const text = `<filter name='written' ${head}>${rules}</filter>`;
      const file = { file: "filter.xml", text };
      expect(parseFilterXml(file, { isCompat: false }).filter, text).toBeUndefined();
      const dump = await libvirtsOwn(text).catch(() => undefined);
      if (dump === undefined) refused.push(rules);
      else expect(ours(text, dump, true)).toBe(asShown(dump, isSplitBySign));
    }
    expect(refused).toEqual(refusedLater.filter(() => isSplitBySign));
  });
});

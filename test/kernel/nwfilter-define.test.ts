import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runFilterBindings, runFilterDump, runFilterList } from "../../src/cli/nwfilter.ts";
import { runFilterCheck } from "../../src/cli/nwfilter-check.ts";
import { runFilterDefine, runFilterUndefine } from "../../src/cli/nwfilter-define.ts";
import { runFilterEdit } from "../../src/cli/nwfilter-edit.ts";
import { StateFolder } from "../../src/edge/files/state-folder.ts";
import { ProcessError } from "../../src/edge/host/systemctl.ts";
import { serveDaemon } from "../../src/edge/socket/daemon-server.ts";
import type { DaemonStatus } from "../../src/wire/daemon-status.ts";
import { readSettings } from "../../src/cli/settings.ts";

const inventory = join(import.meta.dirname, "../inventories/open");
const accept = "<filter name='web' chain='arp'><rule action='accept' direction='in'/></filter>";
const needsMore =
  "<filter name='web' chain='arp'><rule action='drop' direction='out'><arp arpsrcipaddr='$MORE'/></rule></filter>";

let folder: string;
let said: { out: string; err: string };

beforeEach(() => {
  folder = mkdtempSync("/run/nwfilter-");
  cpSync(inventory, join(folder, "inventory"), { recursive: true });
  mkdirSync(join(folder, "inventory/nwfilter"));
  writePolicy("{}");
  said = { out: "", err: "" };
  process.env["TMPDIR"] = join(folder, "tmp");
  mkdirSync(join(folder, "tmp"));
});

afterEach(() => {
  delete process.env["EDITOR"];
  delete process.env["TMPDIR"];
});

function writePolicy(text: string): void {
  writeFileSync(join(folder, "policy.yaml"), text);
}

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const settings = () =>
  readSettings({
    policy: join(folder, "policy.yaml"),
    inventory: join(folder, "inventory"),
    state: join(folder, "state"),
    socket: join(folder, "virtwall.sock"),
  });
const output = {
  out: (text: string) => void (said.out += text),
  err: (text: string) => void (said.err += text),
};
const define = (text: string, isCompat = false) =>
  runFilterDefine(settings(), output, { file: write("new.xml", text), isCompat });
const own = () => {
  try {
    return readdirSync(join(folder, "nwfilter"));
  } catch {
    return [];
  }
};
const ownText = (name: string) => readFileSync(join(folder, "nwfilter", name), "utf8");

test("a definition is kept as it was written, and stands in the list and in its XML", async () => {
  const text = `<!-- mine -->\n${accept}\n`;
  expect(await define(text)).toBe(0);
  expect(said.out).toBe(`Network filter web defined from ${join(folder, "new.xml")}\n\n`);
  expect(own()).toEqual(["web.xml"]);
  expect(ownText("web.xml")).toBe(text);
  said.out = "";
  await runFilterList(settings(), output, false);
  const [, uuid = ""] = /^ ([0-9a-f-]{36}) {3}web$/m.exec(said.out) ?? [];
  said.out = "";
  expect(await runFilterDump(settings(), output, uuid)).toBe(0);
  expect(said.out).toBe(`<filter name='web' chain='arp' priority='-500'>
  <uuid>${uuid}</uuid>
  <rule action='accept' direction='in' priority='500'/>
</filter>

`);
});

test("defined anew it keeps its UUID, and another one is refused in libvirt's words", async () => {
  const uuid = "11111111-2222-3333-4444-555555555555";
  const withUuid = (id: string, name = "web") =>
    `<filter name='${name}'><uuid>${id}</uuid></filter>`;
  expect(await define(withUuid(uuid))).toBe(0);
  expect(await define(withUuid(uuid))).toBe(0);
  expect(await define(withUuid(uuid.replaceAll("1", "9")))).toBe(1);
  expect(said.err).toContain(`filter 'web' already exists with uuid ${uuid}`);
  expect(await define("<filter name='web'/>")).toBe(1);
  expect(await define(withUuid(uuid, "other"))).toBe(1);
  expect(said.err).toContain("filter with same UUID but different name ('web') already exists");
  expect(own()).toEqual(["web.xml"]);
});

test("what libvirt would misread is refused, and taken with --compat as libvirt takes it", async () => {
  const text =
    "<filter name='web'><rule action='drop' direction='in' priority='2000'><mac/></rule></filter>";
  expect(await define(text)).toBe(1);
  expect(said.err).toContain("new.xml:1:");
  expect(own()).toEqual([]);
  expect(await define(text, true)).toBe(0);
  expect(ownText("web.xml")).toContain("priority='500'");
  expect(await runFilterCheck(settings(), output, { files: [], isCompat: false })).toBe(0);
});

test("a definition that a bound nic cannot live with changes nothing", async () => {
  await define(accept);
  writePolicy("guests: { web1: { filter: web } }");
  expect(await define(needsMore)).toBe(1);
  expect(said.err).toContain("needs a value for $MORE");
  expect(ownText("web.xml")).toBe(accept);
  const files = [write("other.xml", needsMore)];
  expect(await runFilterCheck(settings(), output, { files, isCompat: false })).toBe(1);
});

test("a filter is not undefined while somebody uses it, and who does is said", async () => {
  await define(accept);
  await define("<filter name='outer'><filterref filter='web'/></filter>");
  writePolicy("guests: { web1: { filter: outer }, away: { filter: web } }");
  expect(await runFilterUndefine(settings(), output, "web")).toBe(1);
  expect(said.err).toMatch(/guest web1 \(\S+policy.yaml:1\)\n.*guest away .*\n.*filter outer\n/);
  expect(said.err).not.toContain("there is no filter");
  said.out = "";
  await runFilterUndefine({ ...settings(), json: true }, output, "web");
  expect(JSON.parse(said.out)).toMatchObject({
    file: null,
    problems: [],
    users: [
      expect.stringMatching(/^guest web1 /),
      expect.stringMatching(/^guest away /),
      "filter outer",
    ],
  });
  writePolicy("{}");
  expect(await runFilterUndefine(settings(), output, "outer")).toBe(0);
  expect(await runFilterUndefine(settings(), output, "web")).toBe(0);
  expect(own()).toEqual([]);
});

test("what is not virtwall's is not undefined, and what is not there neither", async () => {
  const undefine = (name: string) => runFilterUndefine(settings(), output, name);
  await expect(undefine("clean-traffic")).rejects.toThrow(
    "Failed to undefine network filter clean-traffic: it is part of virtwall",
  );
  await expect(undefine("nosuch")).rejects.toThrow("failed to get nwfilter 'nosuch'");
});

test("an own definition may replace a stock filter that is in use, and going it uncovers that", async () => {
  writePolicy("guests: { web1: { filter: allow-arp } }");
  expect(await define(accept.replace("'web'", "'allow-arp'"))).toBe(0);
  expect(await runFilterUndefine(settings(), output, "allow-arp")).toBe(0);
  expect(own()).toEqual([]);
});

const edit = (editor: string) => {
  process.env["EDITOR"] = editor;
  return runFilterEdit(settings(), output, { word: "web", isCompat: false });
};

/** What edits have left in the folder for temporary files. */
const drafts = () =>
  readdirSync(join(folder, "tmp"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".xml"))
    .map((name) => join(folder, "tmp", name));

test("an editor's text is defined if it is right, and its file left alone if it is not", async () => {
  await define(accept);
  expect(await edit("true")).toBe(0);
  expect(said.out).toContain("Network filter web XML configuration not changed.\n");
  expect(await edit("sed -i s/accept/drop/")).toBe(0);
  expect(said.out).toContain("Network filter web XML configuration edited.\n");
  expect(ownText("web.xml")).toBe(accept.replace("accept", "drop"));
  await expect(edit("false")).rejects.toThrow("false ended with status 1");
  expect(readdirSync(join(folder, "tmp"))).toEqual([]);
  expect(await edit("sed -i s/drop/dorp/")).toBe(1);
  expect(ownText("web.xml")).toBe(accept.replace("accept", "drop"));
});

test("a text that is not defined is kept, whyever, and where it is is said", async () => {
  await define(accept);
  const changed = accept.replace("accept", "dorp");
  const expectKept = (text: string) => {
    const [file = ""] = drafts();
    expect(said.err).toContain(`what you wrote is kept in ${file}\n`);
    expect(readFileSync(file, "utf8")).toBe(text);
    rmSync(file);
  };
  expect(await edit("sed -i s/accept/dorp/")).toBe(1);
  expectKept(changed);
  await expect(edit("sed -i s/accept/dorp/ $1; false")).rejects.toThrow("status 1");
  expectKept(changed);
  const other = join(folder, "nwfilter/web.xml");
  const meanwhile = `echo '<!-- theirs -->' >>${other}; sed -i s/accept/drop/`;
  await expect(edit(meanwhile)).rejects.toThrow("changed by another user");
  expectKept(accept.replace("accept", "drop"));
  expect(ownText("web.xml")).toBe(`${accept}<!-- theirs -->\n`);
  process.env["TMPDIR"] = join(folder, "nosuch");
  await expect(edit("true")).rejects.toThrow(ProcessError);
});

test("what the kernel refuses is taken back", async () => {
  await define(accept);
  const bytes = Buffer.from(`<!-- f\xfcr alle -->\n${accept}`, "latin1");
  writeFileSync(join(folder, "kept.xml"), bytes);
  rmSync(join(folder, "nwfilter/web.xml"));
  symlinkSync("../kept.xml", join(folder, "nwfilter/web.xml"));
  const asked: string[] = [];
  const policyFile = settings().policyFile;
  const end = await serveDaemon(settings().daemonSocket, ({ request }, reply) => {
    asked.push(request);
    const parts = { daemon: { policyFile } } as unknown as DaemonStatus;
    const result = { state: "failed", changes: [], problems: [], error: "No space left" } as const;
    const refusal = {
      kind: "reload",
      result,
      policyFiles: [policyFile],
      publications: [],
    } as const;
    reply(request === "parts" ? { kind: "parts", parts } : refusal);
    return undefined;
  });
  try {
    const other = accept.replace("accept", "drop");
    await expect(define(other)).rejects.toThrow("No space left; nothing was changed");
    await expect(define(other.replace("web", "new"))).rejects.toThrow("No space left");
    await expect(edit("sed -i s/accept/drop/")).rejects.toThrow("No space left");
    expect(said.err).toContain(`what you wrote is kept in ${drafts()[0]}\n`);
    await expect(runFilterUndefine(settings(), output, "web")).rejects.toThrow("No space left");
    expect(own()).toEqual(["web.xml"]);
    expect(readFileSync(join(folder, "kept.xml"))).toEqual(bytes);
    expect(readlinkSync(join(folder, "nwfilter/web.xml"))).toBe("../kept.xml");
    expect(asked.filter((request) => request === "reload")).toHaveLength(8);
    writeFileSync(join(folder, "other.yaml"), "{}");
    const elsewhere = { ...settings(), policyFile: join(folder, "other.yaml") };
    await expect(runFilterUndefine(elsewhere, output, "web")).rejects.toThrow("another policy");
  } finally {
    await end();
  }
});

test("bindings say whose filter is on which nic, and with what", async () => {
  await define(accept);
  writePolicy("guests: { web1: { filter: web }, db1: { filter: allow-arp } }");
  await runFilterBindings(settings(), output);
  const rows = said.out.split("\n").filter((line) => line.startsWith(" vnet"));
  expect(rows).toHaveLength(2);
  expect(rows.join("\n")).toMatch(/ {3}web +web1 +virtwall +MAC=/);
  expect(rows.join("\n")).toMatch(/ {3}allow-arp +db1 +virtwall +MAC=/);
});

test("a value that a nic has and its filter cannot take is told by check", async () => {
  await define(needsMore);
  writePolicy("guests: { web1: { filter: web } }");
  expect(await runFilterCheck(settings(), output, { files: [], isCompat: false })).toBe(1);
  expect(said.out).toContain("error MISSING_VARIABLE");
});

test("what is bound to a filter that is not there is told by check", async () => {
  writePolicy("guests: { web1: { filter: nosuch } }");
  expect(await runFilterCheck(settings(), output, { files: [], isCompat: false })).toBe(1);
  expect(said.out).toContain("there is no filter 'nosuch'");
});

test("what cannot be enforced is told when it is defined, and a circle is refused with its path", async () => {
  const gratuitous =
    "<filter name='web'><rule action='drop' direction='in'><arp gratuitous='true'/></rule></filter>";
  expect(await define(gratuitous)).toBe(0);
  expect(said.err).toContain(
    "new.xml:1:60: warning FILTER_NOT_ENFORCEABLE: filter 'web' has a rule",
  );
  said.err = "";
  expect(await define("<filter name='a'><filterref filter='a'/></filter>")).toBe(1);
  expect(said.err).toContain("new.xml:1:18: error FILTER_CYCLE:");
  expect(said.err).toContain("'a', 'a'");
  expect(own()).toEqual(["web.xml"]);
});

test("what is wrong with a nic is said of the file at hand, in its own lines", async () => {
  await define(accept);
  writePolicy("guests: { web1: { filter: web } }");
  expect(await define(`\n\n${needsMore}`)).toBe(1);
  expect(said.err).toMatch(/needs a value for \$MORE \(\S+new\.xml:3:\d+, filter 'web'\)/);
});

test("who takes the place of a stock filter is told which nics change, and the list shows it", async () => {
  writePolicy("guests: { web1: { filter: clean-traffic } }");
  expect(await define("<filter name='clean-traffic'/>")).toBe(0);
  expect(said.err).toMatch(/REPLACES_STOCK_FILTER: .* for vnet\d of 'web1'; it has no rule/);
  await runFilterList(settings(), output, true);
  expect(said.out).toMatch(/ {3}clean-traffic +virtwall, in place of stock\n/);
  expect(said.out).toMatch(/ {3}allow-arp +stock\n/);
});

test("a definition that is a link to nothing, or a folder, is one that has errors", async () => {
  mkdirSync(join(folder, "nwfilter/d.xml"), { recursive: true });
  symlinkSync("/nosuch", join(folder, "nwfilter/allow-arp.xml"));
  writePolicy("guests: { web1: { filter: allow-arp } }");
  expect(await runFilterCheck(settings(), output, { files: [], isCompat: false })).toBe(1);
  expect(said.out).toMatch(/allow-arp\.xml:1:1: error .* it is a link to nothing/);
  expect(said.out).toMatch(/d\.xml:1:1: error .* not a regular file/);
  expect(said.out).toContain("the definition of filter 'allow-arp' is not in force");
  said.out = "";
  await runFilterBindings(settings(), output);
  expect(said.out).toMatch(/web1 +nobody, CLOSED: its definition is not in force +MAC=/);
});

test("without a policy that can be in force there are no bindings, and that is told", async () => {
  writePolicy("oops: 1");
  expect(await runFilterBindings(settings(), output)).toBe(1);
  expect(said.out).toBe("");
  expect(said.err).toContain("UNKNOWN_KEY");
  expect(said.err).toContain("nothing is in force: the policy has 1 error\n");
});

test("a filter whose file is gone is shown as it was in force last", async () => {
  const filters = { filters: [], ownFilters: [{ file: "/gone/web.xml", text: accept }] };
  await new StateFolder(settings().stateFolder).save({ policy: [], filters });
  expect(await runFilterDump(settings(), output, "web")).toBe(0);
  expect(said.out).toContain("<filter name='web' chain='arp'");
  expect(said.err).toBe("warning: as it was in force last; /gone/web.xml is gone or has errors\n");
});

test("a definition with errors is mended in its own file, or undefined", async () => {
  mkdirSync(join(folder, "nwfilter"));
  const broken = join(folder, "nwfilter/mine.xml");
  writeFileSync(broken, "<filter name='allow-arp'><oops/></filter>");
  writePolicy("guests: { web1: { filter: allow-arp } }");
  expect(await define(needsMore.replace("'web'", "'allow-arp'"))).toBe(1);
  expect(own()).toEqual(["mine.xml"]);
  expect(await define(accept.replace("'web'", "'allow-arp'"))).toBe(0);
  expect(own()).toEqual(["mine.xml"]);
  expect(await runFilterCheck(settings(), output, { files: [], isCompat: false })).toBe(0);
  writeFileSync(broken, "<filter name='allow-arp'><oops/></filter>");
  expect(await runFilterUndefine(settings(), output, "allow-arp")).toBe(0);
  expect(own()).toEqual([]);
});

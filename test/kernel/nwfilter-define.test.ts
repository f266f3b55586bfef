import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runFilterBindings, runFilterDump, runFilterList } from "../../src/cli/nwfilter.ts";
import { runFilterCheck } from "../../src/cli/nwfilter-check.ts";
import { runFilterDefine, runFilterUndefine } from "../../src/cli/nwfilter-define.ts";
import { runFilterEdit } from "../../src/cli/nwfilter-edit.ts";
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
});

afterEach(() => delete process.env["EDITOR"]);

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
  await runFilterList(settings(), output);
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
  writePolicy("{}");
  expect(await runFilterUndefine(settings(), output, "outer")).toBe(0);
  expect(await runFilterUndefine(settings(), output, "web")).toBe(0);
  expect(own()).toEqual([]);
});

test("what is not virtwall's is not undefined, and what is not there neither", async () => {
  expect(await runFilterUndefine(settings(), output, "clean-traffic")).toBe(1);
  expect(await runFilterUndefine(settings(), output, "nosuch")).toBe(1);
  expect(said.err).toContain("failed to get nwfilter 'nosuch'");
});

test("an own definition may replace a stock filter that is in use, and going it uncovers that", async () => {
  writePolicy("guests: { web1: { filter: allow-arp } }");
  expect(await define(accept.replace("'web'", "'allow-arp'"))).toBe(0);
  expect(await runFilterUndefine(settings(), output, "allow-arp")).toBe(0);
  expect(own()).toEqual([]);
});

test("an editor's text is defined if it is right, and its file left alone if it is not", async () => {
  await define(accept);
  const edit = () => runFilterEdit(settings(), output, { word: "web", isCompat: false });
  process.env["EDITOR"] = "true";
  expect(await edit()).toBe(0);
  expect(said.out).toContain("Network filter web XML configuration not changed.\n");
  process.env["EDITOR"] = "sed -i s/accept/drop/";
  expect(await edit()).toBe(0);
  expect(said.out).toContain("Network filter web XML configuration edited.\n");
  expect(ownText("web.xml")).toBe(accept.replace("accept", "drop"));
  process.env["EDITOR"] = "sed -i s/drop/dorp/";
  expect(await edit()).toBe(1);
  expect(ownText("web.xml")).toBe(accept.replace("accept", "drop"));
});

test("what the kernel refuses is taken back", async () => {
  await define(accept);
  const asked: string[] = [];
  const policyFile = settings().policyFile;
  const end = await serveDaemon(settings().daemonSocket, ({ request }, reply) => {
    asked.push(request);
    const status = { daemon: { policyFile } } as unknown as DaemonStatus;
    const result = { state: "failed", changes: [], problems: [], error: "No space left" } as const;
    reply(request === "status" ? { kind: "status", status } : { kind: "reload", result });
    return undefined;
  });
  try {
    const other = accept.replace("accept", "drop");
    await expect(define(other)).rejects.toThrow("No space left; nothing was changed");
    expect(ownText("web.xml")).toBe(accept);
    await expect(define(other.replace("web", "new"))).rejects.toThrow("No space left");
    await expect(runFilterUndefine(settings(), output, "web")).rejects.toThrow("No space left");
    expect(own()).toEqual(["web.xml"]);
    expect(asked.filter((request) => request === "reload")).toHaveLength(6);
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

test("what is bound to a filter that is not there is told by check", async () => {
  writePolicy("guests: { web1: { filter: nosuch } }");
  expect(await runFilterCheck(settings(), output, { files: [], isCompat: false })).toBe(1);
  expect(said.out).toContain("there is no filter 'nosuch'");
});

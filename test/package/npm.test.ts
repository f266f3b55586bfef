import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectRoot } from "../../lab/project-root.ts";
import { mustRun } from "../../lab/run-program.ts";

let folder: string;
let files: readonly string[];

const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-npm-"));
  const packed = await mustRun(["npm", "pack", "--json", "--pack-destination", folder, ...quiet], {
    cwd: await copyOfTree(),
    timeoutMs: 120_000,
  });
  const [{ filename, files: entries }] = JSON.parse(packed.slice(packed.indexOf("[\n"))) as [
    { readonly filename: string; readonly files: readonly { readonly path: string }[] },
  ];
  files = entries.map(({ path }) => path);
  const prefix = ["--global", "--prefix", join(folder, "prefix"), "--prefer-offline"];
  await mustRun(["npm", "install", ...prefix, ...quiet, join(folder, filename)], {
    timeoutMs: 240_000,
  });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** npm builds before it packs, and other tests run what is built in this tree meanwhile. */
async function copyOfTree(): Promise<string> {
  const [root, copy] = [projectRoot(), join(folder, "tree")];
  const left = new Set([".cache", ".git", "dist", "node_modules"]);
  await cp(root, copy, { recursive: true, filter: (path) => !left.has(relative(root, path)) });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  return copy;
}

test("what is packed runs: programs, pages and docs, and nothing of the tests and tools", () => {
  expect(files).toEqual(
    expect.arrayContaining(["bin/virtwall", "dist/cli.js", "dist/daemon.js", "dist/gate.js"]),
  );
  expect(files).toEqual(expect.arrayContaining(["dist/man/virtwall.1", "docs/policy.md"]));
  const known = /^(bin|docs|schema|system\/units|dist\/man)\/|^dist\/[a-z]+\.js$|^[^/]+$/;
  expect(files.filter((file) => !known.test(file))).toEqual([]);
});

test("installed into an empty prefix it runs without this project, gate and koffi included", async () => {
  const virtwall = join(folder, "prefix/bin/virtwall");
  const options = { cwd: folder, timeoutMs: 60_000 };
  expect(await mustRun([virtwall, "--version"], options)).toMatch(/^[0-9.]+\n$/);
  const inventory = join(projectRoot(), "test/inventories/open");
  expect(await mustRun([virtwall, "--inventory", inventory, "check"], options)).toContain(
    "no problems",
  );
  // It answers once koffi and libnftables are loaded, from a network of its own.
  const request = '{"id":1,"kind":"status"}\n';
  const gate = ["unshare", "--net", virtwall, "gate", "--once"];
  expect(await mustRun(gate, { ...options, input: request })).toContain('"kind":"done"');
});

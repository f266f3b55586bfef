import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { LabError, mustRun, runProgram } from "./run-program.ts";

/** A tree of files that a kernel unpacks into memory and lives in. */
export interface Initramfs {
  addText(text: string, place: string): Promise<void>;
  /** A file of this machine, at its own place unless another is named. */
  addFile(file: string, place?: string): Promise<void>;
  /** The same with the libraries it is linked to. */
  addProgram(file: string, place?: string): Promise<void>;
  /** busybox as `bin/busybox`; its `--install` makes the rest. */
  addBusybox(): Promise<void>;
  /** perl with the modules that `use` names in perl's words. */
  addPerl(...use: readonly string[]): Promise<void>;
  /** The modules that the kernel's orders name, as `modules/`, with the one order of all as `modules/order`. */
  addModules(kernelFolder: string, ...orders: readonly string[]): Promise<void>;
  /** Writes the archive, and removes the tree. Uncompressed, since unpacking costs an emulated machine more than reading. */
  pack(): Promise<void>;
}

/** Begins the tree of the archive `target`. */
export async function startInitramfs(target: string): Promise<Initramfs> {
  const tree = `${target}.tree`;
  for (const folder of ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"]) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  const addFile = async (file: string, place = file) => put(tree, place, await readFile(file));
  const addProgram = async (file: string, place = file) => {
    await addFile(file, place);
    for (const library of await librariesOf(file)) await addFile(library);
  };
  return {
    addFile,
    addProgram,
    addText: (text, place) => put(tree, place, text),
    addBusybox: async () => addFile(await busybox(), "bin/busybox"),
    addPerl: async (...use) => {
      const perl = "/usr/bin/perl";
      await addProgram(perl);
      for (const file of await perlModules(perl, use)) {
        await (file.endsWith(".so") ? addProgram(file) : addFile(file));
      }
    },
    addModules: async (kernelFolder, ...orders) => {
      const lists = orders.map((order) => readFile(join(kernelFolder, order), "utf8"));
      const modules = new Set((await Promise.all(lists)).flatMap((list) => list.split("\n")));
      modules.delete("");
      await put(tree, "modules/order", `${[...modules].join("\n")}\n`);
      for (const module of modules) await addFile(join(kernelFolder, module), `modules/${module}`);
    },
    pack: async () => {
      const found = await runProgram(["sh", "-c", "command -v cpio"]);
      if (found.status !== 0) throw new LabError("cpio is missing: apt install cpio");
      const pack = 'cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 >"$2"';
      await mustRun(["sh", "-c", pack, "pack", tree, target]);
      await rm(tree, { recursive: true });
    },
  };
}

async function put(tree: string, place: string, content: Buffer | string): Promise<void> {
  const file = join(tree, place);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  await chmod(file, 0o755);
}

async function librariesOf(program: string): Promise<string[]> {
  const linked = await mustRun(["ldd", program]);
  const lacking = /(\S+) => not found/.exec(linked)?.[1];
  if (lacking !== undefined) throw new LabError(`${program} needs ${lacking}, which is missing`);
  return [...linked.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
}

async function busybox(): Promise<string> {
  const found = ["/bin/busybox", "/usr/bin/busybox"].find((file) => existsSync(file));
  if (found === undefined) throw new LabError("busybox is missing: apt install busybox-static");
  const libraries = await mustRun(["sh", "-c", 'ldd "$1" 2>&1 || :', "ldd", found]);
  if (libraries.includes("=>")) {
    throw new LabError("busybox is not static: apt install busybox-static");
  }
  return found;
}

/** perl-base is essential on Debian, so every machine has these. */
async function perlModules(perl: string, use: readonly string[]): Promise<string[]> {
  const loaded = await mustRun([
    perl,
    ...use.map((module) => `-M${module}`),
    "-e",
    'print join("\\n", values %INC, @DynaLoader::dl_shared_objects)',
  ]);
  return loaded.split("\n").filter((file) => file.startsWith("/"));
}

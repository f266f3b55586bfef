import { existsSync } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

import { projectRoot } from "./project-root.ts";
import { LabError, mustRun, runProgram } from "./run-program.ts";

/** A kernel and an initramfs from which every lab guest boots; the kernel command line names the guest. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
}

/** Where downloads and built images stay between runs: never in the checkout. */
export function cacheFolder(): string {
  const named = process.env["VIRTWALL_LAB_CACHE"];
  if (named !== undefined && named !== "") return named;
  const base = process.env["XDG_CACHE_HOME"];
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "virtwall-lab");
}

/** The guest image: the kernel from the cache (filled through apt when empty), the initramfs packed into `folder`. */
export async function guestImage(folder: string): Promise<GuestImage> {
  const script = join(projectRoot(), "lab", "fetch-kernel.sh");
  const said = await mustRun(["sh", script, cacheFolder()], { timeoutMs: 600_000 });
  const kernelFolder = said.trim();
  const initramfs = join(folder, "initramfs.cpio");
  await packInitramfs(kernelFolder, initramfs);
  return { kernel: join(kernelFolder, "vmlinuz"), initramfs };
}

/** Uncompressed, since unpacking costs an emulated guest more than reading. */
async function packInitramfs(kernelFolder: string, target: string): Promise<void> {
  const tree = `${target}.tree`;
  for (const folder of ["bin", "dev", "etc", "modules", "proc", "sys", "tmp", "www/cgi-bin"]) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  await copyFile(await busybox(), join(tree, "bin/busybox"));
  await chmod(join(tree, "bin/busybox"), 0o755);
  for (const file of await readdir(kernelFolder)) {
    if (file !== "vmlinuz") await copyFile(join(kernelFolder, file), join(tree, "modules", file));
  }
  await copyPerl(tree);
  const lab = join(projectRoot(), "lab");
  const scripts = {
    "guest-init.sh": "init",
    "guest-lease.sh": "bin/lease",
    "guest-udp-echo.pl": "bin/udp-echo.pl",
    "guest-flood.pl": "bin/flood.pl",
    "guest-whoami.sh": "www/cgi-bin/whoami",
    "guest-client.pl": "www/cgi-bin/fetch",
    "guest-ping.sh": "www/cgi-bin/ping",
  };
  for (const [script, place] of Object.entries(scripts)) {
    await copyFile(join(lab, script), join(tree, place));
    await chmod(join(tree, place), 0o755);
  }
  await symlink("fetch", join(tree, "www/cgi-bin/connect"));
  const found = await runProgram(["sh", "-c", "command -v cpio"]);
  if (found.status !== 0) throw new LabError("cpio is missing: apt install cpio");
  const pack = 'cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 >"$2"';
  await mustRun(["sh", "-c", pack, "pack", tree, target]);
  await rm(tree, { recursive: true });
}

async function busybox(): Promise<string> {
  const candidates = ["/bin/busybox", "/usr/bin/busybox"];
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined) throw new LabError("busybox is missing: apt install busybox-static");
  const libraries = await mustRun(["sh", "-c", 'ldd "$1" 2>&1 || :', "ldd", found]);
  if (libraries.includes("=>")) {
    throw new LabError("busybox is not static: apt install busybox-static");
  }
  return found;
}

/** perl-base is essential on Debian, so every machine has what the UDP echo needs. */
async function copyPerl(tree: string): Promise<void> {
  const perl = "/usr/bin/perl";
  const loaded = await mustRun([
    perl,
    "-MSocket=:DEFAULT,pack_sockaddr_in6",
    "-e",
    'print join("\\n", values %INC, @DynaLoader::dl_shared_objects)',
  ]);
  const modules = loaded.split("\n").filter((file) => file.startsWith("/"));
  const linked = await mustRun(["ldd", perl, ...modules.filter((file) => file.endsWith(".so"))]);
  const libraries = [...linked.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
  for (const file of new Set([perl, ...modules, ...libraries])) {
    const place = join(tree, file);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, await readFile(file));
    await chmod(place, 0o755);
  }
}

import { existsSync } from "node:fs";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";

import { projectRoot } from "./project-root.ts";
import { LabError, mustRun, runProgram } from "./run-program.ts";

/** A kernel and an initramfs from which every lab guest boots; the kernel command line names the guest. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
}

/** In the order in which they must be inserted. */
const kernelModules = [
  "virtio_ring",
  "virtio",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "failover",
  "net_failover",
  "virtio_net",
] as const;

const kernelMetaPackage = "linux-image-cloud-amd64";

/** Where downloads and built images stay between runs: never in the checkout. */
export function cacheFolder(): string {
  const named = process.env["VIRTWALL_LAB_CACHE"];
  if (named !== undefined && named !== "") return named;
  const base = process.env["XDG_CACHE_HOME"];
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "virtwall-lab");
}

/** The guest image: the kernel from the cache (filled through apt when empty), the initramfs packed into `folder`. */
export async function guestImage(
  folder: string,
  log: (line: string) => void = () => {},
): Promise<GuestImage> {
  const cache = cacheFolder();
  await mkdir(cache, { recursive: true });
  const kernelFolder = await cachedKernel(cache, log);
  const initramfs = join(folder, "initramfs.cpio");
  await packInitramfs(kernelFolder, initramfs);
  return { kernel: join(kernelFolder, "vmlinuz"), initramfs };
}

async function cachedKernel(cache: string, log: (line: string) => void): Promise<string> {
  const present = (await readdir(cache)).filter((name) => name.startsWith("kernel-")).sort();
  const newest = present.at(-1);
  if (newest !== undefined) return join(cache, newest);

  const packageName = await kernelPackage();
  log(`downloading the guests' kernel, ${packageName} (27 MB)`);
  const scratch = await mkdtemp(join(cache, "download-"));
  try {
    // apt drops to its own user, who must be able to write here.
    await chmod(scratch, 0o777);
    await mustRun(["apt-get", "download", "-q", packageName], {
      cwd: scratch,
      timeoutMs: 300_000,
    });
    const archive = (await readdir(scratch)).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new LabError(`apt-get download left no ${packageName}`);
    await mustRun(["dpkg", "-x", join(scratch, archive), join(scratch, "x")]);
    const made = join(scratch, "kernel");
    await collectKernel(join(scratch, "x"), made);
    const kept = join(cache, `kernel-${packageName}`);
    await rename(made, kept).catch((cause: unknown) => {
      // Another run was faster.
      if (!existsSync(kept)) throw cause;
    });
    return kept;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function kernelPackage(): Promise<string> {
  const depends = async () =>
    await mustRun(["apt-cache", "depends", kernelMetaPackage]).catch(() => "");
  const wanted = /Depends: (linux-image-\S+)/;
  let found = wanted.exec(await depends())?.[1];
  if (found === undefined) {
    await mustRun(["apt-get", "update", "-q"], { timeoutMs: 300_000 });
    found = wanted.exec(await depends())?.[1];
  }
  if (found === undefined) {
    throw new LabError(
      `apt knows no package ${kernelMetaPackage}: the lab's guests need Debian's package sources`,
    );
  }
  return found;
}

async function collectKernel(unpacked: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const boot = join(unpacked, "boot");
  const vmlinuz = (await readdir(boot)).find((name) => name.startsWith("vmlinuz-"));
  if (vmlinuz === undefined) throw new LabError("the kernel package holds no vmlinuz");
  await copyFile(join(boot, vmlinuz), join(target, "vmlinuz"));
  const files = await readdir(unpacked, { recursive: true });
  for (const module of kernelModules) {
    const file = files.find((name) => basename(name).replace(/\.xz$/, "") === `${module}.ko`);
    if (file === undefined) throw new LabError(`the kernel package holds no module ${module}`);
    await copyFile(join(unpacked, file), join(target, basename(file)));
    // Debian 13 packs its modules; busybox's insmod wants them plain.
    if (file.endsWith(".xz")) await mustRun(["xz", "-d", join(target, basename(file))]);
  }
}

/** Uncompressed, since unpacking costs an emulated guest more than reading. */
async function packInitramfs(kernelFolder: string, target: string): Promise<void> {
  const tree = `${target}.tree`;
  for (const folder of ["bin", "dev", "etc", "modules", "proc", "sys", "tmp", "www/cgi-bin"]) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  await copyFile(await busybox(), join(tree, "bin/busybox"));
  await chmod(join(tree, "bin/busybox"), 0o755);
  for (const module of kernelModules) {
    await copyFile(join(kernelFolder, `${module}.ko`), join(tree, "modules", `${module}.ko`));
  }
  await writeFile(
    join(tree, "modules/order"),
    kernelModules.map((module) => `${module}.ko\n`).join(""),
  );
  await copyPerl(tree);
  const lab = join(projectRoot(), "lab");
  const scripts = {
    "guest-init.sh": "init",
    "guest-lease.sh": "bin/lease",
    "guest-udp-echo.pl": "bin/udp-echo.pl",
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

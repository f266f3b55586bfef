import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { cached } from "./cache-folder.ts";
import { startInitramfs } from "./initramfs.ts";
import { projectRoot } from "./project-root.ts";
import { LabError, mustRun } from "./run-program.ts";

/** What the other machine gets of this one, and the Debian package of each. nft knows protocols by name from a file. */
const needed = {
  "/etc/protocols": "netbase",
  "/usr/sbin/nft": "nftables",
  "/bin/ip": "iproute2",
  "/sbin/bridge": "iproute2",
} as const;

export interface MachineOptions {
  readonly timeoutMs?: number;
  /** Programs of this machine that it gets beside those that every machine has. */
  readonly programs?: readonly string[];
}

export interface MachineWord {
  /** Exit status of the script. */
  readonly status: number;
  /** What the script wrote, on both streams. */
  readonly output: string;
}

/**
 * Boots Debian's kernel, whose netfilter has what the kernel here may lack, with this machine's nft; runs the script `run` of `files`
 * in a folder that holds them all; and switches off: 6 s. Throws {@link LabError} with the end of the console when the machine does
 * not come that far.
 */
export async function runInMachine(
  files: Readonly<Record<string, string>>,
  { timeoutMs = 120_000, programs = [] }: MachineOptions = {},
): Promise<MachineWord> {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-machine-"));
  try {
    const kernelFolder = await cached("fetch-kernel.sh", 600_000);
    const initramfs = join(folder, "initramfs.cpio");
    await packMachine(initramfs, kernelFolder, { files, programs });
    const said = mustRun(bootWords(join(kernelFolder, "vmlinuz"), initramfs, folder), {
      timeoutMs,
    });
    const failure = await said.then(
      () => "",
      (cause: unknown) => String(cause),
    );
    return await readWord(folder, failure);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function packMachine(
  target: string,
  kernelFolder: string,
  { files, programs }: { files: Readonly<Record<string, string>>; programs: readonly string[] },
): Promise<void> {
  const image = await startInitramfs(target);
  await image.addBusybox();
  await image.addPerl("Socket=:all", "IO::Select", "Fcntl", "Errno");
  await image.addModules(kernelFolder, "machine.order");
  // busybox puts its own names only where nothing is yet.
  await image.addProgram("/bin/dash", "bin/sh");
  for (const [file, debianPackage] of Object.entries(needed)) {
    const add = file.startsWith("/etc/") ? image.addFile(file) : image.addProgram(file);
    await add.catch((cause: unknown) => {
      throw new LabError(`${file} is missing: apt install ${debianPackage}`, { cause });
    });
  }
  for (const program of programs) await image.addProgram(program);
  await image.addFile(join(projectRoot(), "lab", "machine-init.sh"), "init");
  for (const [name, text] of Object.entries(files)) await image.addText(text, `job/${name}`);
  await image.pack();
}

function bootWords(kernel: string, initramfs: string, folder: string): string[] {
  const append = "console=ttyS0 quiet panic=-1 rdinit=/init random.trust_cpu=on tsc=reliable";
  const machine = "-machine q35 -accel tcg -cpu max -m 768 -nodefaults -no-reboot -display none";
  const boot = ["-kernel", kernel, "-initrd", initramfs, "-append", append];
  const lines = ["console", "word"].flatMap((name) => ["-serial", `file:${join(folder, name)}`]);
  return ["qemu-system-x86_64", ...machine.split(" "), ...boot, ...lines];
}

async function readWord(folder: string, failure: string): Promise<MachineWord> {
  const read = (name: string) => readFile(join(folder, name), "utf8").catch(() => "");
  const word = await read("word");
  const end = /machine: ended with (\d+)\r?\n$/.exec(word);
  if (end === null) {
    const console = (await read("console")).slice(-2_000);
    throw new LabError(`the machine did not come to an end: ${failure}\n${console}\n${word}`);
  }
  return { status: Number(end[1]), output: word.slice(0, end.index) };
}

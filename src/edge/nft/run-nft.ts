import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KernelError } from "../../ports/kernel.ts";

/**
 * The oldest nft that virtwall's ruleset was loaded into and listed back from, equal: Debian 12's. The listing is compared with
 * what is desired, so a version that lists in another form would show drift for ever.
 */
const oldestVersion = [1, 0, 6] as const;

/** Exit status, or the signal's name, with all that was printed. */
export interface NftResult {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NftRun {
  /** For its standard input. */
  readonly input?: string;
  /** It is ended after that long, and the result's status is the signal's name. */
  readonly timeoutMs?: number;
}

/** Throws {@link KernelError} only where nft cannot be started or is too old. */
export async function runNft(args: readonly string[], options: NftRun = {}): Promise<NftResult> {
  if (options.input !== undefined) {
    await requireVersion();
    return start(args, options);
  }
  // What only lists may run while the version is asked: a listing of ten thousand elements takes its time.
  const [result] = await Promise.all([start(args, options), requireVersion()]);
  return result;
}

/** Throws {@link KernelError} with nft's words when it fails. */
export async function nftOutput(args: readonly string[]): Promise<string> {
  const result = await runNft(args);
  if (result.status !== 0) throw refusal(result, `nft ${args.join(" ")}`);
  return result.stdout;
}

export function refusal(result: NftResult, command: string): KernelError {
  const words = result.stderr.trim();
  const message = words === "" ? `${command}: ended with ${result.status}` : words;
  return new KernelError(message, missingBehind(message));
}

/** nft looks up most names of protocols in /etc/protocols, and says so in these words where they are not there (proto.c of 1.0.6). */
export function missingBehind(words: string): { missing?: string } {
  return words.includes("Could not resolve protocol name") ? { missing: "netbase" } : {};
}

/**
 * nft prints the kernel's words in the language of the locale, and absence is told by words alone. Times it prints in the local zone, and
 * the kernel has hours in UTC.
 */
export const nftEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  LC_ALL: "C",
  TZ: "UTC",
});

export function nftCannotStart(error: NodeJS.ErrnoException): KernelError {
  return error.code === "ENOENT"
    ? new KernelError("nft is not installed", { missing: "nftables", cause: error })
    : new KernelError(`nft cannot be started: ${error.message}`, { cause: error });
}

let versionCheck: Promise<void> | undefined;

/** Once a process; a failure is asked again, since the package may be installed in between. */
function requireVersion(): Promise<void> {
  versionCheck ??= checkVersion().catch((error: unknown) => {
    versionCheck = undefined;
    throw error;
  });
  return versionCheck;
}

async function checkVersion(): Promise<void> {
  const { stdout } = await start(["--version"]);
  const version = /\bv?(\d+)\.(\d+)(?:\.(\d+))?/
    .exec(stdout)
    ?.slice(1)
    .map((part) => Number(part || 0));
  if (version === undefined || !isAtLeast(version, oldestVersion)) {
    throw new KernelError(
      `${stdout.trim()} is too old; virtwall needs nft ${oldestVersion.join(".")} or newer`,
      { missing: "nftables" },
    );
  }
}

export function isAtLeast(version: readonly number[], floor: readonly number[]): boolean {
  const index = floor.findIndex((part, at) => (version[at] ?? 0) !== part);
  return index < 0 || (version[index] ?? 0) > (floor[index] ?? 0);
}

async function start(args: readonly string[], options: NftRun = {}): Promise<NftResult> {
  const output = openOutput();
  return await new Promise((resolve, reject) => {
    // In a session of its own, as of runApart: a step that is begun ends, whoever says ^C.
    const child = spawn("nft", args, {
      detached: true,
      stdio: ["pipe", output.writeEnd, "pipe"],
      env: nftEnvironment(),
      timeout: options.timeoutMs,
    });
    closeSync(output.writeEnd);
    const stderr: Buffer[] = [];
    child.on("error", (error) => {
      output.take();
      reject(nftCannotStart(error));
    });
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk)).on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        status: code ?? signal ?? "no status",
        stdout: output.take(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
    // nft that ends before it has read everything says why by its exit status.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input ?? "");
  });
}

/** A full disk cuts no listing short there, and a service may write to it before /tmp is mounted. */
const memoryFolder = "/dev/shm";

/**
 * A file without a name: nft writes megabytes into it while this process has other things to do, where a pipe would have it wait after
 * the first 200 kB. `take` gives what was written and lets go of the file.
 */
function openOutput(): { readonly writeEnd: number; readonly take: () => string } {
  try {
    const folder = existsSync(memoryFolder) ? memoryFolder : tmpdir();
    return openUnnamed(mkdtempSync(join(folder, "virtwall-")));
  } catch (cause) {
    throw new KernelError(`no room for what nft prints: ${(cause as Error).message}`, { cause });
  }
}

function openUnnamed(folder: string): ReturnType<typeof openOutput> {
  const file = join(folder, "output");
  try {
    const writeEnd = openSync(file, "wx", 0o600);
    try {
      return { writeEnd, take: takeOnce(openSync(file, "r")) };
    } finally {
      unlinkSync(file);
    }
  } finally {
    rmdirSync(folder);
  }
}

function takeOnce(descriptor: number): () => string {
  let readEnd: number | undefined = descriptor;
  return () => {
    if (readEnd === undefined) return "";
    const text = readFileSync(readEnd, "utf8");
    closeSync(readEnd);
    readEnd = undefined;
    return text;
  };
}

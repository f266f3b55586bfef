import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { randomBytes } from "node:crypto";
import { SourceError } from "../../ports/sources.ts";

/** A command that libvirt answers at all answers within this. */
const timeoutMs = 20_000;

interface Pending {
  readonly stdoutEnd: string;
  readonly stdoutHead: string;
  readonly stderrEnd: string;
  readonly resolve: (output: VirshOutput) => void;
  readonly reject: (error: SourceError) => void;
  readonly timer: NodeJS.Timeout;
}

export interface VirshOutput {
  readonly stdout: string;
  /** libvirt's words when the command failed; empty when it did not. */
  readonly error: string;
}

/**
 * One long-lived interactive `virsh`, one command at a time (0.2 ms each against 13 ms for a process each).
 *
 * virsh has no frames: it echoes prompt and command into its output. So every command is followed by an `echo` of a secret
 * word on both channels; the word is random since guests choose parts of what is printed between.
 */
export class VirshSession {
  readonly #uri: string;
  readonly #word = `ZZ${randomBytes(8).toString("hex")}`;
  #child: ChildProcessWithoutNullStreams | undefined;
  #stdout = "";
  #stderr = "";
  #count = 0;
  #pending: Pending | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(uri: string) {
    this.#uri = uri;
  }

  /** `command` is our own text: never a name that somebody else chose. */
  run(command: string): Promise<VirshOutput> {
    const result = this.#queue.then(() => this.#send(command));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Ends the child; the next command starts a new one. */
  close(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.stdin.end();
    child?.kill();
  }

  #send(command: string): Promise<VirshOutput> {
    const child = (this.#child ??= this.#start());
    this.#stdout = "";
    this.#stderr = "";
    const mark = `${this.#word}.${++this.#count}`;
    return new Promise((resolve, reject) => {
      this.#pending = {
        stdoutHead: `${command}\n`,
        stdoutEnd: `virsh # echo --err ${mark}\nvirsh # echo ${mark}\n${mark}`,
        stderrEnd: `error: ${mark}\n`,
        resolve,
        reject,
        timer: setTimeout(
          () => this.#fail(new SourceError(`libvirt did not answer "${command}" in time`)),
          timeoutMs,
        ),
      };
      child.stdin.write(`${command}\necho --err ${mark}\necho ${mark}\n`);
    });
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = spawn("virsh", ["-q", "-c", this.#uri], {
      // In a session of its own, as of runApart.
      detached: true,
      env: { ...process.env, LC_ALL: "C", TERM: "dumb", VIRSH_HISTSIZE: "0" },
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#settle();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#settle();
    });
    // A write into a child that just died: its exit tells the story.
    child.stdin.on("error", () => undefined);
    child.once("error", (cause) => this.#fail(startError(cause), child));
    child.once("close", () => {
      const why = wordsOf(this.#stderr);
      const words = [`libvirt (${this.#uri}) does not answer`, why, adviceFor(why)];
      this.#fail(new SourceError(words.filter(Boolean).join(": ")), child);
    });
    return child;
  }

  #settle(): void {
    const pending = this.#pending;
    if (!pending || !this.#stderr.endsWith(pending.stderrEnd)) return;
    const end = this.#stdout.lastIndexOf(pending.stdoutEnd);
    if (end < 0) return;
    this.#pending = undefined;
    clearTimeout(pending.timer);
    const start = this.#stdout.indexOf(pending.stdoutHead) + pending.stdoutHead.length;
    pending.resolve({
      stdout: this.#stdout.slice(start, end),
      error: wordsOf(this.#stderr.slice(0, -pending.stderrEnd.length)),
    });
  }

  #fail(error: SourceError, from = this.#child): void {
    if (from !== this.#child) return;
    this.#child = undefined;
    from?.kill();
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return;
    clearTimeout(pending.timer);
    pending.reject(error);
  }
}

/** A program that could not be started, in words. */
export function startError(cause: Error): SourceError {
  return (cause as NodeJS.ErrnoException).code === "ENOENT"
    ? new SourceError("virsh is not installed", { missing: "libvirt-clients", cause })
    : new SourceError(`virsh cannot be started: ${cause.message}`, { cause });
}

/** For words of libvirt's (9.0, 11.3) that say of its daemon's socket that nobody is behind it, or who may not use it. */
function adviceFor(words: string): string {
  if (/connect socket to '\/.*(No such file|Connection refused)/.test(words)) {
    return "start it by systemctl start libvirtd, of the package libvirt-daemon-system";
  }
  const isRefused = /connect socket to .*Permission denied|authentication (unavailable|failed)/;
  return isRefused.test(words) ? "it answers root, and its own group libvirt" : "";
}

/** What virsh wrote of errors, in one line; empty where it wrote nothing. */
function wordsOf(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.replace(/^error: /, "").trim());
  return lines.filter(Boolean).join(": ");
}

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { randomBytes } from "node:crypto";
import { SourceError } from "../../ports/sources.ts";
import { onSilence, withAdvice } from "./libvirt-advice.ts";

/** A command that libvirt answers at all answers within this. */
const defaultTimeoutMs = 20_000;

/** A command that was sent, and how the output of virsh begins and ends for it. */
interface Pending {
  readonly command: string;
  readonly stdoutEnd: string;
  readonly stderrEnd: string;
  readonly resolve: (output: VirshOutput) => void;
  readonly reject: (error: SourceError) => void;
}

export interface VirshOutput {
  readonly stdout: string;
  /** libvirt's words when the command failed; empty when it did not. */
  readonly error: string;
}

/**
 * One long-lived interactive `virsh` (0.2 ms a command against 13 ms for a process each). It answers in the order of the commands,
 * which are sent without waiting for the answers before.
 *
 * virsh has no frames: it echoes prompt and command into its output. So every command is followed by an `echo` of a secret
 * word on both channels; the word is random since guests choose parts of what is printed between.
 */
export class VirshSession {
  readonly #uri: string;
  readonly #timeoutMs: number;
  readonly #word = `ZZ${randomBytes(8).toString("hex")}`;
  #child: ChildProcessWithoutNullStreams | undefined;
  #stdout = "";
  #stderr = "";
  #count = 0;
  /** The first is the one that virsh is at. */
  #pending: Pending[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(uri: string, timeoutMs = defaultTimeoutMs) {
    this.#uri = uri;
    this.#timeoutMs = timeoutMs;
  }

  /** `command` is our own text: never a name that somebody else chose. */
  run(command: string): Promise<VirshOutput> {
    const child = (this.#child ??= this.#start());
    const mark = `${this.#word}.${++this.#count}`;
    return new Promise((resolve, reject) => {
      this.#pending.push({
        command,
        stdoutEnd: `virsh # echo --err ${mark}\nvirsh # echo ${mark}\n${mark}`,
        stderrEnd: `error: ${mark}\n`,
        resolve,
        reject,
      });
      if (this.#pending.length === 1) this.#awaitFirst();
      child.stdin.write(`${command}\necho --err ${mark}\necho ${mark}\n`);
    });
  }

  /** Ends the child; the next command starts a new one. */
  close(): void {
    this.#child?.stdin.end();
    this.#fail(new SourceError("the question to libvirt was called off"));
  }

  #awaitFirst(): void {
    clearTimeout(this.#timer);
    const [first] = this.#pending;
    if (first === undefined) return;
    const advice = onSilence(this.#uri);
    const error = new SourceError(`libvirt did not answer "${first.command}" in time${advice}`);
    this.#timer = setTimeout(() => this.#fail(error), this.#timeoutMs);
  }

  #start(): ChildProcessWithoutNullStreams {
    this.#stdout = "";
    this.#stderr = "";
    const child = spawn("virsh", ["-q", "-c", this.#uri], {
      // In a session of its own, as of runApart.
      detached: true,
      env: { ...process.env, LC_ALL: "C", TERM: "dumb", VIRSH_HISTSIZE: "0" },
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (child !== this.#child) return;
      this.#stdout += text;
      this.#settle();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (child !== this.#child) return;
      this.#stderr += text;
      this.#settle();
    });
    // A write into a child that just died: its exit tells the story.
    child.stdin.on("error", () => undefined);
    child.once("error", (cause) => this.#fail(startError(cause), child));
    child.once("close", () => {
      const words = [`libvirt (${this.#uri}) does not answer`, wordsOf(this.#stderr)];
      this.#fail(new SourceError(withAdvice(words.filter(Boolean).join(": "), this.#uri)), child);
    });
    return child;
  }

  #settle(): void {
    for (let [pending] = this.#pending; pending; [pending] = this.#pending) {
      const errorEnd = this.#stderr.indexOf(pending.stderrEnd);
      const end = this.#stdout.indexOf(pending.stdoutEnd);
      if (errorEnd < 0 || end < 0) return;
      const head = `${pending.command}\n`;
      const start = this.#stdout.indexOf(head) + head.length;
      const output = this.#stdout.slice(start, end);
      const error = wordsOf(this.#stderr.slice(0, errorEnd));
      this.#stdout = this.#stdout.slice(end + pending.stdoutEnd.length);
      this.#stderr = this.#stderr.slice(errorEnd + pending.stderrEnd.length);
      this.#pending.shift();
      this.#awaitFirst();
      pending.resolve({ stdout: output, error });
    }
  }

  #fail(error: SourceError, from = this.#child): void {
    if (from !== this.#child) return;
    this.#child = undefined;
    from?.kill();
    clearTimeout(this.#timer);
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }
}

/** A program that could not be started, in words. */
export function startError(cause: Error): SourceError {
  return (cause as NodeJS.ErrnoException).code === "ENOENT"
    ? new SourceError("virsh is not installed", { missing: "libvirt-clients", cause })
    : new SourceError(`virsh cannot be started: ${cause.message}`, { cause });
}

/** What virsh wrote of errors, in one line; empty where it wrote nothing. */
function wordsOf(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.replace(/^error: /, "").trim());
  return lines.filter(Boolean).join(": ");
}

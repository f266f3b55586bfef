import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mustRun } from "../lab/run-program.ts";

/** A program in a namespace that runs until its standard input is closed. */
export class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #argv: readonly string[];
  #stdout = "";
  #stderr = "";
  readonly #ended: Promise<number | null>;

  constructor(namespace: string, argv: readonly string[]) {
    this.#argv = argv;
    this.#child = spawn("ip", ["netns", "exec", namespace, ...argv]);
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.#child.stdin.on("error", () => undefined);
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on("error", reject).on("close", resolve);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it has written to its standard error so far. */
  get log(): string {
    return this.#stderr;
  }

  /** Resolves once it has printed the words; throws when it ends before. */
  said(words: string, timeoutMs?: number): Promise<void> {
    return this.#until(() => this.#stdout.includes(words), words, timeoutMs);
  }

  /** The same of its standard error, after the first `after` characters of it. */
  logged(words: string, after: number): Promise<void> {
    return this.#until(() => this.#stderr.includes(words, after), words);
  }

  async #until(hasSaid: () => boolean, words: string, timeoutMs = 20_000): Promise<void> {
    const until = performance.now() + timeoutMs;
    while (!hasSaid()) {
      if (this.#child.exitCode !== null || performance.now() > until) {
        this.#fail(`never said ${words}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Closes its input and gives all it printed. */
  async finish(): Promise<string> {
    this.#child.stdin.end();
    const status = await this.#ended;
    if (status !== 0) this.#fail(`ended with ${String(status)}`);
    return this.#stdout;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill(signal);
    await this.#ended;
  }

  #fail(what: string): never {
    throw new Error(`${this.#argv.join(" ")} ${what}\n${this.#stdout}${this.#stderr}`);
  }
}

/** Runs a program in a namespace to its end and gives its output. */
export function run(namespace: string, argv: readonly string[], input?: string): Promise<string> {
  return mustRun(["ip", "netns", "exec", namespace, ...argv], { input });
}

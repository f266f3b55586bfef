import { spawn } from "node:child_process";

/** What a program said on its standard error that ended before it was ready; empty where it could not be started. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly words: string;

  constructor(words: string, cause?: Error) {
    super(cause?.message ?? words, { cause });
    this.words = words;
  }
}

/**
 * Starts a program as the leader of a session of its own: what ends this process, a signal or a lost terminal, leaves it. What it is
 * given to keep is its descriptor 3. Resolves when it says its first word. What it says from then on is for its own log: this process
 * neither waits for it nor keeps its pipes. Throws {@link StartError}.
 */
export function startLasting(
  [program = "", ...args]: readonly string[],
  kept?: number,
): Promise<void> {
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe", ...(kept === undefined ? [] : [kept])],
  });
  return new Promise((resolve, reject) => {
    let words = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    child.on("error", (error) => reject(new StartError("", error)));
    child.on("close", () => reject(new StartError(words)));
    child.stdout?.once("data", () => {
      child.removeAllListeners("close");
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      resolve();
    });
  });
}

import { spawn } from "node:child_process";
import { StateError } from "../../ports/state.ts";

/**
 * Starts this very program once more with other arguments, as the leader of a session of its own: what ends this process, a lost
 * terminal among it, leaves it. Resolves when it says that it is ready.
 */
export function startWaiter(args: readonly string[]): Promise<void> {
  const program = process.argv[1] ?? "";
  const child = spawn(process.execPath, [program, ...args], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Promise((resolve, reject) => {
    let words = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      words += text;
    });
    const refuse = (): void => reject(new StateError(`nobody waits for confirmation: ${words}`));
    child.on("error", refuse).on("close", refuse);
    child.stdout.once("data", () => {
      child.removeAllListeners("close");
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve();
    });
  });
}

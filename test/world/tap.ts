import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { World } from "./world.ts";

/** A real tap on one of a world's bridges, with the guest's side in our hands. */
export class Tap {
  readonly #child: ChildProcess;
  readonly #frames: Buffer[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Makes the device and joins it to the bridge. */
  static async open(world: World, device: string, bridge: string): Promise<Tap> {
    const program = fileURLToPath(new URL("tap-agent.mjs", import.meta.url));
    const command = ["netns", "exec", world.hostNamespace, process.execPath, program, device];
    const child = spawn("ip", command, { stdio: ["pipe", "pipe", "inherit"] });
    const tap = new Tap(child);
    const lines = createInterface({ input: child.stdout });
    const ready = await Promise.race([once(lines, "line"), once(child, "exit")]);
    if (ready[0] !== "ready") throw new Error(`there is no tap ${device}`);
    lines.on("line", (line) => tap.#frames.push(Buffer.from(line, "hex")));
    await world.onHost(["ip", "link", "set", device, "master", bridge, "up"]);
    return tap;
  }

  send(frame: Buffer): void {
    this.#child.stdin?.write(`${frame.toString("hex")}\n`);
  }

  /** Whether a frame came that the test knows, by now or within the time. */
  async receives(isExpected: (frame: Buffer) => boolean, timeoutMs: number): Promise<boolean> {
    const end = performance.now() + timeoutMs;
    while (performance.now() < end) {
      if (this.#frames.some(isExpected)) return true;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.#frames.some(isExpected);
  }

  /** Forgets what came. */
  clear(): void {
    this.#frames.length = 0;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }
}

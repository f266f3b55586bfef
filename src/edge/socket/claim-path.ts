import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/** util-linux is on every machine; who starts us with a `PATH` of their own still gets it. */
const env = { PATH: `${process.env["PATH"] ?? ""}:/usr/bin:/bin` };

/**
 * Takes the right to serve the path, or gives undefined where another process, or another server of this one, has it. The function
 * returned lets go of it, once and for all, and so does the kernel when this process ends, however it ends. The socket itself cannot tell a server
 * that is starting from one that died. A lock of flock(2) belongs to the open file, so the one that flock(1) takes on our
 * descriptor stays ours when flock(1) has ended; Node opens files close-on-exec, so no other child holds it.
 */
export function claimPath(path: string): (() => void) | undefined {
  const descriptor = openSync(`${path}.lock`, "a", 0o600);
  const stdio = ["ignore", "ignore", "ignore", descriptor] as const;
  const { error, status } = spawnSync("flock", ["--nonblock", "3"], { stdio: [...stdio], env });
  let isOpen = true;
  // The number of a closed descriptor may be another file's by then.
  const letGo = (): void => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  if (error === undefined && status === 0) return letGo;
  letGo();
  if (error) throw error;
  return undefined;
}

import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, openSync, statSync } from "node:fs";

/** util-linux is on every machine; who starts us with a `PATH` of their own still gets it. */
const env = { PATH: `${process.env["PATH"] ?? ""}:/usr/bin:/bin` };

export interface Claim {
  /** A process that inherits it shares the claim, which ends with the last of those who have it open. */
  readonly descriptor: number;
  /** Once and for all. */
  letGo(): void;
}

/**
 * Takes the right to serve the path, or gives undefined where another process, or another server of this one, has it. The kernel lets
 * go of it when this process ends, however it ends. The socket itself cannot tell a server that is starting from one that died. A lock
 * of flock(2) belongs to the open file, so the one that flock(1) takes on our descriptor stays ours when flock(1) has ended; Node opens
 * files close-on-exec, so no child holds it that it was not given to.
 */
export function claimPath(path: string): Claim | undefined {
  for (;;) {
    const claim = lock(`${path}.lock`);
    if (claim === undefined || isFile(`${path}.lock`, claim.descriptor)) return claim;
    // Who had it has removed the file meanwhile: a lock on that says nothing.
    claim.letGo();
  }
}

function lock(file: string): Claim | undefined {
  const descriptor = openSync(file, "a", 0o600);
  const stdio = ["ignore", "ignore", "ignore", descriptor] as const;
  const { error, status } = spawnSync("flock", ["--nonblock", "3"], { stdio: [...stdio], env });
  let isOpen = true;
  // The number of a closed descriptor may be another file's by then.
  const letGo = (): void => {
    if (isOpen) closeSync(descriptor);
    isOpen = false;
  };
  if (error === undefined && status === 0) return { descriptor, letGo };
  letGo();
  if (error) throw error;
  return undefined;
}

function isFile(file: string, descriptor: number): boolean {
  return statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino;
}

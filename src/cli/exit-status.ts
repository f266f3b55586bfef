/** What the shell sees. Interface: scripts depend on it. */
export const exitStatus = {
  ok: 0,
  problems: 1,
  usage: 2,
  refused: 3,
  drift: 4,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** The command line asks for something that does not exist or makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What is asked for cannot be, as things are: no filter of that name, in use. Exit status 1. */
export class ComplaintError extends Error {
  override readonly name = "ComplaintError";
}

/** The machine refuses, and no port said so: not root, the daemon's answer. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

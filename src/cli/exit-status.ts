/** What the shell sees. Interface: scripts depend on it. */
export const exitStatus = {
  ok: 0,
  problems: 1,
  usage: 2,
  refused: 3,
  drift: 4,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** Words that no command knows, or that make no sense together, whatever there is on this host. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What is asked for cannot be, as things are: it is in use, or nothing of that name is there. Exit status 1. */
export class ComplaintError extends Error {
  override readonly name = "ComplaintError";
}

/** Nobody knows of guests, since nothing is decided of them while the policy has errors. */
export class UndecidedError extends ComplaintError {}

/** The machine refuses, and no port said so: not root, the daemon's answer. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

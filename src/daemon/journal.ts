import type { DaemonEvent } from "../wire/daemon-protocol.ts";

/** Kept in memory; older ones are in the system's log. */
const capacity = 1000;

/** What the daemon did, told to everybody who listens. */
export class Journal {
  readonly #events: DaemonEvent[] = [];
  readonly #listeners = new Set<(event: DaemonEvent) => void>();

  get events(): readonly DaemonEvent[] {
    return this.#events;
  }

  add(level: DaemonEvent["level"], event: string, message: string): void {
    const entry = { at: new Date().toISOString(), level, event, message };
    this.#events.push(entry);
    if (this.#events.length > capacity) this.#events.shift();
    for (const listener of this.#listeners) listener(entry);
  }

  /** The function returned ends it. */
  follow(listener: (event: DaemonEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const syslogLevel = { info: 6, warning: 4, error: 3 } as const;

/** One JSON line with the prefix by which journald knows its priority (sd-daemon(3)). */
export function printLogLine(event: DaemonEvent): string {
  return `<${syslogLevel[event.level]}>${JSON.stringify(event)}\n`;
}

const quietMs = 2_000;
const freeLooks = 8;
const stepMs = 10;
const longestMs = 200;

/** No firewall is restarted by people as often as this. */
const windowMs = 10_000;
const contestTimes = 40;
/** Fewer than once a second within the window. */
const peaceTimes = 5;
const contestedMs = 1_000;

/**
 * How long to wait before foreign tables are looked at again. Not at all after quiet, or while looking finds something to do; longer
 * and longer while another program changes its sets all the time, as one that bans addresses does; and once a second while another
 * program takes away what we put as often as we put it.
 */
export class Churn {
  #idleLooks = 0;
  #lookedAt = -Infinity;
  /** When looking found something to do, within the window. */
  #found: readonly number[] = [];
  #isContested = false;

  get delayMs(): number {
    if (this.contestedTimes !== undefined) return contestedMs;
    if (performance.now() - this.#lookedAt > quietMs) this.#idleLooks = 0;
    return Math.min(Math.max(0, this.#idleLooks - freeLooks) * stepMs, longestMs);
  }

  /** How often of late something was to be done, while that is too often. */
  get contestedTimes(): number | undefined {
    this.#found = this.#found.filter((at) => at > performance.now() - windowMs);
    const times = this.#found.length;
    this.#isContested = times > (this.#isContested ? peaceTimes : contestTimes);
    return this.#isContested ? times : undefined;
  }

  looked(isChanged: boolean): void {
    this.#idleLooks = isChanged ? 0 : this.#idleLooks + 1;
    this.#lookedAt = performance.now();
    if (isChanged) this.#found = [...this.#found, this.#lookedAt];
  }
}

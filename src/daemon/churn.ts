const quietMs = 2_000;
const freeLooks = 8;
const stepMs = 10;
const longestMs = 200;

/**
 * How long to wait before foreign tables are looked at again. Not at all after quiet, or while looking finds something to do; longer
 * and longer while another program changes its sets all the time, as one that bans addresses does.
 */
export class Churn {
  #idleLooks = 0;
  #lookedAt = -Infinity;

  get delayMs(): number {
    if (performance.now() - this.#lookedAt > quietMs) this.#idleLooks = 0;
    return Math.min(Math.max(0, this.#idleLooks - freeLooks) * stepMs, longestMs);
  }

  looked(isChanged: boolean): void {
    this.#idleLooks = isChanged ? 0 : this.#idleLooks + 1;
    this.#lookedAt = performance.now();
  }
}

import type { Gap } from "../wire/daemon-status.ts";

/** How long things were missing that others took away. */
export class GapMeter {
  #count = 0;
  #lastMs: number | undefined;
  #longestMs: number | undefined;

  /** Undefined where nobody saw when it went missing. */
  add(milliseconds: number | undefined): void {
    this.#count++;
    if (milliseconds === undefined) return;
    const rounded = Math.round(milliseconds * 10) / 10;
    this.#lastMs = rounded;
    this.#longestMs = Math.max(this.#longestMs ?? 0, rounded);
  }

  get gap(): Gap {
    return {
      count: this.#count,
      ...(this.#lastMs !== undefined && { lastMs: this.#lastMs }),
      ...(this.#longestMs !== undefined && { longestMs: this.#longestMs }),
    };
  }
}

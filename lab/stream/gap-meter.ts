const darkFromMs = 100;

/** Measures the time without arrivals, from the start of sending to its end. */
export class GapMeter {
  private last: number;
  private end: number | undefined;
  private longest = 0;
  private dark = 0;

  constructor(startedAt: number) {
    this.last = startedAt;
  }

  arrived(now: number): void {
    this.close(now);
  }

  /** What arrives after this still closes the last gap; if nothing does, the gap lasts until this moment. */
  sendingEnded(now: number): void {
    this.end = now;
  }

  total(): { longestGapMs: number; darkMs: number } {
    if (this.end !== undefined && this.last < this.end) this.close(this.end);
    return { longestGapMs: Math.round(this.longest), darkMs: Math.round(this.dark) };
  }

  private close(now: number): void {
    const gap = now - this.last;
    this.longest = Math.max(this.longest, gap);
    if (gap > darkFromMs) this.dark += gap;
    this.last = now;
  }
}

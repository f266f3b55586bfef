/** Something that is done once at a time, and need not be waited for to its end. */
export class Interruptible {
  #running: Promise<void> | undefined;
  #interrupt: () => void = () => undefined;

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Starts the action, or joins the one that runs. Resolves at its end, or earlier by {@link interrupt}: then it goes on, and `onLate`
   * is called at its end.
   */
  async run(action: () => Promise<void>, onLate: () => void): Promise<void> {
    const isJoined = this.isRunning;
    const running = (this.#running ??= action().finally(() => {
      this.#running = undefined;
    }));
    const interrupted = new Promise<"interrupted">((resolve) => {
      this.#interrupt = () => resolve("interrupted");
    });
    const how = await Promise.race([running, interrupted]);
    if (how === "interrupted" && !isJoined) void running.then(onLate);
  }

  interrupt(): void {
    this.#interrupt();
  }
}

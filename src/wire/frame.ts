/** The longest frame that either side takes: a full ruleset of 10,000 publications is 2 MB. */
export const frameLimitBytes = 64 * 1024 * 1024;

/** The peer broke the framing. Nothing more can be read from its stream: close it. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const newline = 10;

/** One value as one line of JSON. JSON escapes every newline of its own, so the line end is unambiguous. */
export function printFrame(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Cuts a byte stream into newline-delimited JSON values, however the bytes arrive. */
export class FrameReader {
  readonly #limitBytes: number;
  #parts: Uint8Array[] = [];
  #pendingBytes = 0;

  constructor(limitBytes: number = frameLimitBytes) {
    this.#limitBytes = limitBytes;
  }

  /** True in the middle of a frame: a stream that ends here was cut off. */
  get isPartial(): boolean {
    return this.#pendingBytes > 0;
  }

  /** The values that this chunk completes, in order. Empty lines are skipped. Throws {@link FrameError}. */
  push(chunk: Uint8Array): readonly unknown[] {
    const values: unknown[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = this.#take();
      if (line.trim() !== "") values.push(parseLine(line));
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return values;
  }

  #keep(part: Uint8Array): void {
    this.#pendingBytes += part.length;
    if (this.#pendingBytes > this.#limitBytes) {
      throw new FrameError(`a frame is longer than ${this.#limitBytes} bytes`);
    }
    if (part.length > 0) this.#parts.push(part);
  }

  #take(): string {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    try {
      const texts = this.#parts.map((part) => decoder.decode(part, { stream: true }));
      return texts.join("") + decoder.decode();
    } catch (error) {
      throw new FrameError("a frame is not UTF-8", { cause: error });
    } finally {
      this.#parts = [];
      this.#pendingBytes = 0;
    }
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new FrameError("a frame is not JSON", { cause: error });
  }
}

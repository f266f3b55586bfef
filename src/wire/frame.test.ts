import { describe, expect, it } from "vitest";
import { FrameError, FrameReader, printFrame } from "./frame.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("frames", () => {
  it("read back what was printed, newlines inside strings too", () => {
    const value = { text: "a\nb\r\n\u2028", list: [1, null] };
    expect(new FrameReader().push(bytes(printFrame(value)))).toEqual([value]);
  });

  it("do not depend on how the bytes arrive, even inside a character", () => {
    const whole = bytes(printFrame({ name: "gästé 🙂" }) + printFrame(2));
    const reader = new FrameReader();
    const values = Array.from(whole).flatMap((byte) => reader.push(Uint8Array.of(byte)));
    expect(values).toEqual([{ name: "gästé 🙂" }, 2]);
    expect(reader.isPartial).toBe(false);
  });

  it("several in one chunk come out in order, empty lines skipped", () => {
    expect(new FrameReader().push(bytes("1\n\n2\n \n3\n"))).toEqual([1, 2, 3]);
  });

  it("know that they were cut off", () => {
    const reader = new FrameReader();
    expect(reader.push(bytes('{"a":'))).toEqual([]);
    expect(reader.isPartial).toBe(true);
  });

  it("longer than the limit are refused before their end arrives", () => {
    const reader = new FrameReader(8);
    reader.push(bytes("12345678"));
    expect(() => reader.push(bytes("9"))).toThrow(FrameError);
  });

  it.each(["{", "undefined", "{'a':1}"])("that are not JSON are refused: %s", (text) => {
    expect(() => new FrameReader().push(bytes(`${text}\n`))).toThrow(FrameError);
  });

  it("that are not UTF-8 are refused", () => {
    expect(() => new FrameReader().push(Uint8Array.of(0x22, 0xff, 0x22, 10))).toThrow(FrameError);
  });
});

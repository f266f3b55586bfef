import { endianness } from "node:os";
import { expect, it } from "vitest";
import { printBatch, printGetTable, readAnswers } from "./netlink-message.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const table = { family: "inet", name: "virtwall" } as const;

// The 84 bytes that strace shows of `nft add table inet virtwall` (1.0.6), but for the flags and the numbers of the messages.
it.runIf(endianness() === "LE")("prints a batch as libnftables does", () => {
  const batch = printBatch([{ kind: "put", table, flags: 6 }], 1);
  expect(hex(batch)).toBe(
    [
      "14000000 1000 0100 01000000 00000000 0000000a",
      "2c000000 000a 0504 02000000 00000000 01000000",
      "0d000100 76697274 77616c6c 00000000",
      "08000200 00000006",
      "14000000 1100 0100 03000000 00000000 0000000a",
    ]
      .join("")
      .replaceAll(" ", ""),
  );
});

it.runIf(endianness() === "LE")("reads errors and tables, and skips the rest", () => {
  const datagram = bytes(`
    24000000 0200 0000 07000000 00000000 ffffffff 10000000 0000 0000 07000000 00000000
    14000000 1100 0000 08000000 00000000 00000000
    30000000 000a 0000 09000000 00000000 01000000
    08000200 00000006 08000300 00000002 08000700 00001234 04000900`);
  expect(readAnswers(datagram)).toEqual([
    { kind: "error", sequence: 7, errno: 1 },
    { kind: "table", sequence: 9, state: { flags: 6, use: 2, owner: 0x1234 } },
  ]);
});

it("stops at a message that is cut off", () => {
  const whole = printGetTable(table, 5);
  for (let length = 0; length < whole.length; length++) {
    expect(readAnswers(whole.subarray(0, length))).toEqual([]);
  }
});

it("stops at an attribute of no length", () => {
  const datagram = printGetTable(table, 5);
  const view = new DataView(datagram.buffer);
  view.setUint16(4, 10 << 8, endianness() === "LE");
  view.setUint16(20, 0, endianness() === "LE");
  expect(readAnswers(datagram)).toMatchObject([{ state: { flags: 0, use: 0, owner: 0 } }]);
});

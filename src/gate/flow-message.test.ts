import { endianness } from "node:os";
import { expect, it } from "vitest";
import type { Address } from "../base/address.ts";
import { printDeleteFlows, readFlow, WantedAddresses } from "./flow-message.ts";
import { readMessages } from "./netlink-frame.ts";

const bytes = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const wanting = (...addresses: readonly string[]) =>
  new WantedAddresses(addresses as readonly Address[]);

/** 198.51.100.50:41000 asks 198.51.100.1:8080 over TCP, and 10.20.0.11:80 answers; as Linux 6.18 tells it, less what is not read. */
const published = `
  8c000000 0001 0200 00000000 00000000 02000000
  34000180 14000180 08000100 c6336432 08000200 c6336401 1c000280 05000100 06000000 06000200 a0280000 06000300 1f900000
  34000280 14000180 08000100 0a14000b 08000200 c6336432 1c000280 05000100 06000000 06000200 00500000 06000300 a0280000
  08000300 0000018e
  08000c00 01020304`;
const original =
  "34000180 14000180 08000100 c6336432 08000200 c6336401 1c000280 05000100 06000000 06000200 a0280000 06000300 1f900000";

/** [2001:db8::5]:4001 asks [2001:db8::1]:9 over UDP, in zone 7, and nobody answers. */
const unanswered = `
  c4000000 0001 0200 00000000 00000000 0a000000
  4c000180 2c000180 14000300 20010db8000000000000000000000005 14000400 20010db8000000000000000000000001
           1c000280 05000100 11000000 06000200 0fa10000 06000300 00090000
  4c000280 2c000180 14000300 20010db8000000000000000000000001 14000400 20010db8000000000000000000000005
           1c000280 05000100 11000000 06000200 00090000 06000300 0fa10000
  08000300 00000008
  08000c00 0a0b0c0d
  06001200 00070000`;

const isLittle = endianness() === "LE";
const read = (text: string, wanted: WantedAddresses) =>
  readMessages(bytes(text)).map((message) => readFlow(message, wanted));

it.runIf(isLittle)("reads a flow whose destination was rewritten", () => {
  expect(read(published, wanting("10.20.0.11"))).toMatchObject([
    {
      protocol: "tcp",
      source: "198.51.100.50",
      destination: "198.51.100.1",
      port: 8080,
      answerer: "10.20.0.11",
      answererPort: 80,
      isAnswered: true,
    },
  ]);
});

it.runIf(isLittle)("reads a flow of IPv6 that nobody has answered", () => {
  expect(read(unanswered, wanting("2001:db8::5"))).toMatchObject([
    { protocol: "udp", source: "2001:db8::5", answerer: "2001:db8::1", isAnswered: false },
  ]);
});

it.runIf(isLittle).each(["198.51.100.50", "198.51.100.1", "10.20.0.11"])(
  "reads a flow with a wanted end: %s",
  (address) => expect(read(published, wanting(address))).not.toEqual([undefined]),
);

it.runIf(isLittle)("passes over flows at whose ends nobody wanted is", () => {
  expect(read(published, wanting("192.0.2.1", "::ffff:10.20.0.11"))).toEqual([undefined]);
  expect(read(unanswered, wanting("2001:db8::6"))).toEqual([undefined]);
  expect(read(published, wanting())).toEqual([undefined]);
});

it.runIf(isLittle)("names a flow to the kernel by its first direction, its id and its zone", () => {
  const keyOf = (text: string, address: string) =>
    read(text, wanting(address)).flatMap((flow) => flow?.key ?? []);
  const keys = [...keyOf(published, "10.20.0.11"), ...keyOf(unanswered, "2001:db8::5")];
  const messages = readMessages(printDeleteFlows(keys));
  expect(messages.map(({ type }) => type)).toEqual([0x102, 0x102]);
  const [first, second] = messages.map(({ body }) =>
    Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("hex"),
  );
  expect(first).toBe(`02000000${original.replaceAll(" ", "")}08000c0001020304`);
  expect(second).toMatch(/^0a000000.*0600120000070000.*08000c000a0b0c0d$/);
});

it.runIf(isLittle)("asks for an answer to the last deletion of several only", () => {
  const [flow] = read(published, wanting("10.20.0.11"));
  const printed = printDeleteFlows([flow?.key ?? "", flow?.key ?? ""]);
  const view = new DataView(printed.buffer);
  const flagsAt = (offset: number) => view.getUint16(offset + 6, true);
  expect([flagsAt(0), flagsAt(printed.length / 2)]).toEqual([1, 1 | 4]);
});

it("reads nothing from a flow that is cut off anywhere", () => {
  const whole = bytes(published);
  for (let length = 20; length < 20 + 104; length += 4) {
    const cut = whole.slice(0, length);
    new DataView(cut.buffer).setUint32(0, length, isLittle);
    const flows = readMessages(cut).map((message) => readFlow(message, wanting("10.20.0.11")));
    expect(flows, String(length)).toEqual([undefined]);
  }
});

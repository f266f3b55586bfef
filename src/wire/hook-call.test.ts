import { expect, test } from "vitest";
import { daemonProtocol, readDaemonRequest } from "./daemon-protocol.ts";
import { readHookCall } from "./hook-call.ts";

const hex = (text: string): string => Buffer.from(text).toString("hex");
const words = ["web1", "start", "begin", "-"].map(hex);

test("words and XML are read from their hex", () => {
  expect(readHookCall({ driver: "qemu", words, xml: hex("<domain>\u00fc</domain>") })).toEqual({
    driver: "qemu",
    object: "web1",
    operation: "start",
    subOperation: "begin",
    extra: "-",
    xml: "<domain>\u00fc</domain>",
  });
});

test("words that libvirt left out are empty", () => {
  expect(readHookCall({ driver: "network", words: [hex("net")], xml: "" })).toMatchObject({
    object: "net",
    operation: "",
    extra: "",
  });
});

test("what was too long, or is not UTF-8, is a call with a fault", () => {
  expect(readHookCall({ driver: "qemu", words, xml: null })).toMatchObject({
    object: "web1",
    fault: "its XML is longer than 4194304 bytes",
  });
  expect(readHookCall({ driver: "qemu", words: ["ff"], xml: "" })).toMatchObject({
    object: "\ufffd",
    fault: "its name or XML is not UTF-8",
  });
});

test.each([
  ["another driver", { driver: "lxc", words, xml: "" }],
  ["no words", { driver: "qemu", words: [], xml: "" }],
  ["too many words", { driver: "qemu", words: [...words, "00"], xml: "" }],
  ["words that are no hex", { driver: "qemu", words: ["xyz0"], xml: "" }],
  ["half a byte", { driver: "qemu", words, xml: "abc" }],
  ["XML that is a number", { driver: "qemu", words, xml: 7 }],
  ["no XML", { driver: "qemu", words }],
])("%s is no call", (_name, value) => {
  expect(readHookCall(value)).toBeUndefined();
  const request = { version: daemonProtocol, id: 1, request: "hook", ...value };
  expect(readDaemonRequest(request)).toBeUndefined();
});

test("four million bytes are read in no time", () => {
  const xml = hex("x".repeat(4 * 1024 * 1024));
  expect(readHookCall({ driver: "qemu", words, xml })?.xml).toHaveLength(4 * 1024 * 1024);
});

import { describe, expect, test } from "vitest";
import { familyOf, formatPrefix, lengthOfNetmask, parseAddress, parsePrefix } from "./address.ts";

describe("parseAddress", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0db8:1:1:1:0:1:1", "2001:db8:1:1:1:0:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1::", "1::"],
  ])("writes %s as %s", (text, address) => {
    expect(parseAddress(text)).toBe(address);
  });

  test.each([
    "",
    "192.0.2",
    "192.0.2.256",
    "192.0.2.01",
    "0x7f.0.0.1",
    "192.0.2.1/32",
    " 192.0.2.1",
    "192.0.2.1\n",
    "fe80::1%eth0",
    "[::1]",
    ":::",
    "1:2:3:4:5:6:7:8:9",
    "example.org",
  ])("refuses %j", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("parsePrefix", () => {
  test.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["192.0.2.7", "192.0.2.7/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["2001:db8::1", "2001:db8::1/128"],
    ["::/0", "::/0"],
  ])("reads %s", (text, printed) => {
    const prefix = parsePrefix(text);
    expect(prefix && formatPrefix(prefix)).toBe(printed);
    expect(prefix && familyOf(prefix.address)).toBe(prefix?.family);
  });

  test.each([
    "10.0.0.1/8",
    "2001:db8::1/64",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/08",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "/8",
  ])("refuses %j", (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  });
});

test.each(["255.0.255.0", "0.0.0.1", "255.255.255.300", "24", ""])("%j is no netmask", (text) => {
  expect(lengthOfNetmask(text)).toBeUndefined();
});

import { expect, test } from "vitest";
import { parseAddress, parsePrefix } from "./address.ts";
import { PrefixMap } from "./prefix-map.ts";

const texts = [
  "192.0.2.0/24",
  "0.0.0.0/0",
  "192.0.2.7/32",
  "::/0",
  "2001:db8::/32",
  "192.0.2.0/24",
];
const map = new PrefixMap(
  texts.flatMap((text, index) => {
    const prefix = parsePrefix(text);
    return prefix ? [[prefix, `${index} ${text}`] as const] : [];
  }),
);

test.each([
  ["192.0.2.7", ["1 0.0.0.0/0", "0 192.0.2.0/24", "5 192.0.2.0/24", "2 192.0.2.7/32"]],
  ["192.0.3.0", ["1 0.0.0.0/0"]],
  ["::c000:207", ["3 ::/0"]],
  ["2001:db8:ffff::1", ["3 ::/0", "4 2001:db8::/32"]],
])("%s is found in every prefix that holds it, the widest first", (text, found) => {
  const address = parseAddress(text);
  expect(address && map.holding(address)).toEqual(found);
});

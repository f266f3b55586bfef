import { expect, it } from "vitest";
import { parse } from "yaml";
import { guestKey, guestWord } from "./guest-word.ts";
import { fixPending } from "./shadowed.ts";

const hostile = ["x; reboot", "$(reboot)", "it's", 'a"b', "a: b", "no", "1", "a\nb", "-x", "{a}"];

it.each(["web1", "db-2", "x_y"])("leaves %s as it is", (name) => {
  expect(guestWord(name)).toBe(name);
  expect(guestKey(name)).toBe(name);
});

it.each(hostile)("writes a guest called %j as one key of a policy", (name) => {
  expect(parse(`guests: { ${guestKey(name)}: {} }`)).toEqual({ guests: { [name]: {} } });
});

it("starts a guest of whatever name, and nothing else", () => {
  const pending = { guest: "x; reboot", protocol: "tcp", first: 80, last: 80 };
  expect(fixPending(pending, undefined)).toBe("virsh start 'x; reboot'");
  expect(fixPending(pending, "52:54:00:00:00:01")).toBe(
    'guests: { "x; reboot": { nics: { "52:54:00:00:00:01": { address: ADDRESS } } } }',
  );
});

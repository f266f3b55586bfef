import { expect, it, test } from "vitest";
import { isAskedTime, loadTime, readAskedTime, secondsOfDate } from "./clock.ts";

/** A Sunday. */
const noon = secondsOfDate("2026-11-22T12:00:00") ?? 0;
const utc = { seconds: noon, zones: [0] };
const asked = (text: string) => readAskedTime(text.split(" "));
const ask = (text: string, clock = utc) => {
  const time = asked(text);
  return time && isAskedTime(time, clock);
};

test.each([0, 86_399, 951_782_400, 1_709_164_800, 1_709_251_200, 4_107_542_400, noon])(
  "%i seconds are the date that the language's own calendar has for it",
  (seconds) => {
    const text = new Date(seconds * 1000).toISOString().replace(".000Z", "");
    expect(secondsOfDate(text)).toBe(seconds);
    const date = Number(text.slice(8, 10));
    const clock = { seconds, zones: [0] };
    expect(ask(`--monthdays ${date}`, clock)).toBe("yes");
    expect(ask(`--monthdays ${(date % 31) + 1}`, clock)).toBe("no");
    expect(loadTime("day", clock)).toBe(BigInt(new Date(seconds * 1000).getUTCDay()));
  },
);

test.each([
  ["--timestart 10:00:00 --timestop 12:00:00", "yes"],
  ["--timestart 12:00:01 --timestop 13:00:00", "no"],
  ["--timestart 22:00:00 --timestop 12:00:00", "yes"],
  ["--timestart 22:00:00 --timestop 02:00:00", "no"],
  ["--weekdays Sun", "yes"],
  ["--weekdays Mon,Sat", "no"],
  ["--timestart 22:00:00 --timestop 13:00:00 --weekdays Sat --contiguous", "yes"],
  ["--timestart 22:00:00 --timestop 13:00:00 --weekdays Sun --contiguous", "no"],
  ["--datestart 2026-11-22T12:00:01", "no"],
  ["--monthdays 1,22 --datestop 2038-01-19T03:14:07", "yes"],
  ["--weekdays Sol", undefined],
  ["--utc", undefined],
])("at noon in UTC `-m time %s` is answered %s", (text, answer) => {
  expect(ask(text)).toBe(answer);
});

it("knows no more than all zones have in common that the kernel may be in", () => {
  const clock = { seconds: noon, zones: [0, 60] };
  expect(ask("--timestart 12:30:00 --timestop 14:00:00 --kerneltz", clock)).toBe("maybe");
  expect(ask("--timestart 12:30:00 --timestop 14:00:00", clock)).toBe("no");
  expect(ask("--weekdays Sun --kerneltz", clock)).toBe("yes");
  expect(loadTime("day", { seconds: noon, zones: [0, 13 * 60] })).toMatchObject({
    elsewhere: [{ first: 2n, last: 0xffffffffn }],
  });
  expect(loadTime("hour", clock)).toBe(43_200n);
});

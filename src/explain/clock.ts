import type { Answer, Loaded } from "./value.ts";
import { oneAmong } from "./outsider.ts";

/** The moment of which an answer holds. */
export interface Clock {
  /** Since the epoch. */
  readonly seconds: number;
  /** How many minutes east of UTC the kernel may think it is: it is told at a boot, or never, and tells nobody but who asks by a call. */
  readonly zones: readonly number[];
}

const [minute, hour, day] = [60, 3600, 86_400];
export const nanoseconds = 1_000_000_000n;
/** As nft and iptables count days of the week, from Sunday; the epoch was a Thursday. */
const epochDay = 4;

/** nft's `meta time`, `hour` and `day`: the first two are in UTC, the day in the kernel's own zone (nft_meta.c). */
export function loadTime(key: "time" | "hour" | "day", { seconds, zones }: Clock): Loaded {
  if (key === "time") return BigInt(seconds) * nanoseconds;
  if (key === "hour") return BigInt(modulo(seconds, day));
  const days = zones.map((zone) => BigInt(weekdayOf(seconds + zone * minute)));
  const [first, ...more] = days;
  if (first === undefined) return "unknown";
  return more.every((other) => other === first) ? first : oneAmong(days);
}

function weekdayOf(seconds: number): number {
  return modulo(Math.floor(seconds / day) + epochDay, 7);
}

const modulo = (number: number, by: number): number => ((number % by) + by) % by;

/** `10:00` or `10:00:30`, in seconds. */
export function secondsOfHour(text: string): number | undefined {
  const match = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text);
  if (match === null) return undefined;
  const [hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part || 0));
  return hours * hour + minutes * minute + seconds;
}

/** `2026-11-22 10:00:00`, or with a `T`, in UTC. */
export function secondsOfDate(text: string): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](.+))?$/.exec(text);
  const time = secondsOfHour(match?.[4] ?? "00:00");
  if (match === null || time === undefined) return undefined;
  const [year = 0, month = 1, date = 1] = match.slice(1, 4).map(Number);
  return daysUntil(year, month, date) * day + time;
}

/** From the epoch to a day of the Gregorian calendar. Years begin in March here, so that a leap day is their last. */
function daysUntil(year: number, month: number, date: number): number {
  const years = month > 2 ? year : year - 1;
  const leaps = Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
  const inYear = Math.floor((153 * modulo(month - 3, 12) + 2) / 5) + date;
  const fromYear0ToEpoch = 719_469;
  return years * 365 + leaps + inYear - fromYear0ToEpoch;
}

/** Which day of its month it is, from 1. */
function dateOf(seconds: number): number {
  const days = Math.floor(seconds / day);
  let year = 1970 + Math.floor(days / 365.2425);
  if (daysUntil(year, 1, 1) > days) year -= 1;
  else if (daysUntil(year + 1, 1, 1) <= days) year += 1;
  const starts = months.map((month) => daysUntil(year, month, 1));
  return days - (starts.findLast((start) => start <= days) ?? days) + 1;
}

const months = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] as const;

/** What a match of iptables asks the clock (iptables-extensions(8)). */
interface AskedTime {
  readonly from: number;
  readonly until: number;
  readonly start: number;
  readonly stop: number;
  readonly weekdays?: readonly number[];
  readonly monthdays?: readonly number[];
  readonly isContiguous: boolean;
  readonly isInKernelZone: boolean;
}

const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** Undefined for words that nobody here understands. */
export function readAskedTime(words: readonly string[]): AskedTime | undefined {
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const name = words[i] ?? "";
    if (flags.has(name)) options.set(name, "");
    else if (valued.has(name)) options.set(name, words[++i] ?? "");
    else return undefined;
  }
  const of = (name: string, read: (text: string) => number | undefined, absent: number) =>
    options.has(name) ? read(options.get(name) ?? "") : absent;
  const listed = (name: string, read: (word: string) => number) =>
    options.get(name)?.split(",").map(read);
  const from = of("--datestart", secondsOfDate, 0);
  const until = of("--datestop", secondsOfDate, Number.MAX_SAFE_INTEGER);
  const start = of("--timestart", secondsOfHour, 0);
  const stop = of("--timestop", secondsOfHour, day - 1);
  const onWeekdays = listed("--weekdays", (word) => weekdays.indexOf(word));
  const onMonthdays = listed("--monthdays", Number);
  if (from === undefined || until === undefined) return undefined;
  if (start === undefined || stop === undefined) return undefined;
  if (onWeekdays?.includes(-1) === true) return undefined;
  return {
    from,
    until,
    start,
    stop,
    ...(onWeekdays && { weekdays: onWeekdays }),
    ...(onMonthdays && { monthdays: onMonthdays }),
    isContiguous: options.has("--contiguous"),
    isInKernelZone: options.has("--kerneltz"),
  };
}

const flags: ReadonlySet<string> = new Set(["--contiguous", "--kerneltz"]);
const valued: ReadonlySet<string> = new Set([
  "--datestart",
  "--datestop",
  "--timestart",
  "--timestop",
  "--weekdays",
  "--monthdays",
]);

/** Whether now is such a time, wherever the kernel thinks it is. */
export function isAskedTime(asked: AskedTime, { seconds, zones }: Clock): Answer {
  const places = asked.isInKernelZone ? zones : [0];
  const answers = new Set(places.map((zone) => holds(asked, seconds + zone * minute)));
  if (answers.size !== 1) return "maybe";
  return answers.has(true) ? "yes" : "no";
}

/** As time_mt of the kernel's xt_time.c has it. */
function holds(asked: AskedTime, now: number): boolean {
  const { from, until, start, stop } = asked;
  if (now < from || now > until) return false;
  const time = modulo(now, day);
  const isOverMidnight = start >= stop;
  if (isOverMidnight ? time < start && time > stop : time < start || time > stop) return false;
  // Of a span that goes on after midnight the day is that on which it began.
  const isBegunBefore = isOverMidnight && asked.isContiguous && time <= stop;
  const counted = isBegunBefore ? now - day : now;
  return (
    (asked.weekdays?.includes(weekdayOf(counted)) ?? true) &&
    (asked.monthdays?.includes(dateOf(counted)) ?? true)
  );
}

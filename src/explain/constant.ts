import { parseAddress, toBits } from "../base/address.ts";
import type { Expression } from "../nft/ast.ts";
import { nanoseconds, secondsOfDate, secondsOfHour } from "./clock.ts";
import { symbolValue } from "./symbols.ts";
import { isWithin } from "./outsider.ts";
import {
  type Answer,
  answerOf,
  type Interval,
  type Loaded,
  nameBits,
  nameInterval,
} from "./value.ts";

const nameTypes = new Set(["ifname", "iface_index", "ifkind"]);

/** The numbers that a constant stands for; undefined for what is no constant, or a word that this evaluator does not know. */
export function intervalOfConstant(constant: Expression, type: string): Interval | undefined {
  switch (constant.kind) {
    case "value":
      return ofValue(constant.value, type);
    case "range":
      return ofRange(numberOf(constant.first, type), numberOf(constant.last, type));
    case "prefix":
      return ofPrefix(constant.address, constant.length);
    case "flags":
    case "|": {
      const bits = flagsOfConstant(constant, type);
      return between(bits, bits);
    }
    default:
      return undefined;
  }
}

/** All flags of a constant in one number. */
export function flagsOfConstant(constant: Expression, type: string): bigint | undefined {
  switch (constant.kind) {
    case "value":
      return numberOf(constant.value, type);
    case "flags":
      return together(constant.values.map((word) => numberOf(word, type)));
    case "|":
      return together([
        flagsOfConstant(constant.left, type),
        flagsOfConstant(constant.right, type),
      ]);
    default:
      return undefined;
  }
}

function together(bits: readonly (bigint | undefined)[]): bigint | undefined {
  const known = bits.filter((each) => each !== undefined);
  return known.length < bits.length ? undefined : known.reduce((all, each) => all | each, 0n);
}

/** nft 1.0.6 lists two bounds of different fields as a range of one of them, which shows where it begins behind its end. */
function ofRange(first: bigint | undefined, last: bigint | undefined): Interval | undefined {
  return first !== undefined && last !== undefined && first > last
    ? undefined
    : between(first, last);
}

function between(first: bigint | undefined, last: bigint | undefined): Interval | undefined {
  return first === undefined || last === undefined ? undefined : { first, last };
}

function ofValue(value: string | number, type: string): Interval | undefined {
  if (type === "ifname" && typeof value === "string" && value.endsWith("*")) {
    return nameInterval(value.slice(0, -1));
  }
  const number = numberOf(value, type);
  return between(number, number);
}

function ofPrefix(text: string, length: number): Interval | undefined {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const size = 1n << BigInt((address.includes(":") ? 128 : 32) - length);
  const first = (toBits(address) / size) * size;
  return { first, last: first + size - 1n };
}

function numberOf(value: string | number, type: string): bigint | undefined {
  if (typeof value === "number") {
    return nameTypes.has(type) ? numberedInterface(value) : BigInt(value);
  }
  const known = words.get(type) ?? new Map<string, bigint | undefined>();
  words.set(type, known);
  if (known.has(value)) return known.get(value);
  const number = numberOfWord(value, type);
  known.set(value, number);
  return number;
}

/** By type: of ten thousand publications most have the same address and protocol. */
const words = new Map<string, Map<string, bigint | undefined>>();

function numberOfWord(value: string, type: string): bigint | undefined {
  if (nameTypes.has(type)) return value === "0" ? 0n : nameBits(value);
  if (type === "hour" || type === "time") return numberOfTime(value, type);
  const symbol = symbolValue(type, value);
  if (symbol !== undefined) return symbol;
  if (/^(\d+|0x[0-9a-f]+)$/i.test(value)) return BigInt(value);
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value))
    return BigInt(`0x${value.replaceAll(":", "")}`);
  const address = parseAddress(value);
  return address === undefined ? undefined : toBits(address);
}

/** In UTC, as of {@link loadTime}. */
function numberOfTime(text: string, type: "hour" | "time"): bigint | undefined {
  const seconds = type === "hour" ? secondsOfHour(text) : secondsOfDate(text);
  if (seconds === undefined) return undefined;
  return type === "hour" ? BigInt(seconds) : BigInt(seconds) * nanoseconds;
}

/** nft lists an index that no interface has (any more) as a number; 0 is "none". */
function numberedInterface(index: number): bigint | undefined {
  return index === 0 ? 0n : undefined;
}

/** Whether the loaded fields are those of a key of as many fields. */
export function matchesKey(
  key: Expression,
  fields: readonly Loaded[],
  types: readonly string[],
): Answer {
  const parts = key.kind === "concat" ? key.parts : [key];
  if (parts.length !== fields.length) return "maybe";
  let answer: Answer = "yes";
  for (const [index, part] of parts.entries()) {
    const met = within(fields[index] ?? "unknown", part, types[index] ?? "integer");
    if (met === "no") return "no";
    if (met === "maybe") answer = "maybe";
  }
  return answer;
}

function within(field: Loaded, constant: Expression, type: string): Answer {
  if (field === "unknown" || field === "absent") return "maybe";
  const interval = intervalOfConstant(constant, type);
  if (interval === undefined) return "maybe";
  if (typeof field === "object") return isWithin(field, interval);
  return answerOf(field >= interval.first && field <= interval.last);
}

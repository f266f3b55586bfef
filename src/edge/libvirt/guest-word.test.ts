import { expect, test } from "vitest";
import { parseAddress } from "../../base/address.ts";
import { parseMac } from "../../base/mac.ts";
import type { AgentAddress } from "../../model/inventory.ts";
import { GuestWord } from "./guest-word.ts";

const mac = parseMac("52:54:00:00:00:01");
const address = parseAddress("10.0.0.9");
const sayings = (uuid: string): AgentAddress[] =>
  mac === undefined || address === undefined ? [] : [{ uuid, mac, address }];

async function answers(word: GuestWord): Promise<readonly string[]> {
  return (await word.read()).agentAddresses.map(({ uuid }) => uuid);
}

test("an agent is asked once, told of, and its answer is forgotten with the question", async () => {
  const asked: string[] = [];
  let count = 0;
  const word = new GuestWord((uuid) => {
    asked.push(uuid);
    return Promise.resolve(sayings(uuid));
  });
  const stop = word.watch(() => count++);
  try {
    await word.ask(["a", "b"]);
    await word.ask(["a", "b"]);
    expect(asked).toEqual(["a", "b"]);
    expect(count).toBeGreaterThanOrEqual(2);
    expect(await answers(word)).toEqual(["a", "b"]);
    await word.ask(["b"]);
    expect(await answers(word)).toEqual(["b"]);
  } finally {
    stop();
  }
});

test("an agent that does not answer is asked again after a while, and holds up nobody", async () => {
  const tries = new Map<string, number>();
  const word = new GuestWord((uuid) => {
    tries.set(uuid, (tries.get(uuid) ?? 0) + 1);
    return Promise.resolve(uuid === "silent" && tries.get(uuid) === 1 ? undefined : sayings(uuid));
  });
  const stop = word.watch(() => undefined);
  try {
    await word.ask(["silent", "other"]);
    expect(await answers(word)).toEqual(["other"]);
    await expect.poll(() => answers(word)).toEqual(["silent", "other"]);
    expect(tries.get("other")).toBe(1);
  } finally {
    stop();
  }
});

test("no more than a few are asked at a time", async () => {
  let running = 0;
  let most = 0;
  const word = new GuestWord(async (uuid) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running--;
    return sayings(uuid);
  });
  await word.ask(Array.from({ length: 40 }, (_, index) => `${index}`));
  expect(await answers(word)).toHaveLength(40);
  expect(most).toBeLessThanOrEqual(5);
  word.close();
});

test("those that never answer are few, are asked once, and keep the others' agents waiting for no longer than a moment", async () => {
  const asked: string[] = [];
  const never = new Set(Array.from({ length: 20 }, (_, index) => `mute${index}`));
  let ended = 0;
  const word = new GuestWord((uuid, signal) => {
    asked.push(uuid);
    if (!never.has(uuid)) return Promise.resolve(sayings(uuid));
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        ended++;
        resolve(undefined);
      });
    });
  }, 20);
  await word.ask(["mute0", "mute1", "mute2", "other"]);
  expect(await answers(word)).toEqual(["other"]);
  await word.ask([...never]);
  expect(asked.length).toBeLessThan(10);
  // Whoever was forgotten is not asked beside the question that still stands.
  await word.ask([]);
  await word.ask([...never]);
  expect(asked).toEqual([...new Set(asked)]);
  word.close();
  expect(ended).toBe(asked.length - 1);
});

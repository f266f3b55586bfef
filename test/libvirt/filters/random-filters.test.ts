import { afterAll, beforeAll, expect, test } from "vitest";
import { makeDice } from "./dice.ts";
import { asLibvirtMeans } from "./libvirt-meaning.ts";
import { comparable, compare, differs, type Oracle, startOracle, verdictText } from "./oracle.ts";
import { boundFilter, randomFilters } from "./random-filter.ts";
import { randomSteps } from "./random-steps.ts";

/** More of them: FILTER_SEEDS=1000. One of them again: FILTER_SEEDS=17-17. */
const [first = 1, last = first] = seedRange(process.env["FILTER_SEEDS"] ?? "1-24");
const packetsEach = 1500;

function seedRange(text: string): number[] {
  return text.includes("-") ? text.split("-").map(Number) : [1, Number(text)];
}

let oracle: Oracle;
beforeAll(async () => {
  oracle = await startOracle();
});
afterAll(() => oracle?.stop());

const layers = [["ethernet"], ["packet"], ["ethernet", "packet"]] as const;

async function verdictsOf(seed: number) {
  const dice = makeDice(seed);
  const filters = randomFilters(dice, layers[seed % layers.length] ?? ["ethernet"]);
  const steps = randomSteps(dice, packetsEach);
  const bound = boundFilter(filters);
  await oracle.bindLibvirts(bound);
  await oracle.bindOurs(boundFilter(asLibvirtMeans(filters)));
  return { bound, verdicts: comparable(await compare(oracle, steps)) };
}

test(
  `filters by chance, seeds ${first} to ${last}: virtwall and libvirt let the same packets through`,
  { timeout: 30_000 + (last - first + 1) * 30_000 },
  async () => {
    const passed = { all: 0, some: 0 };
    for (let seed = first; seed <= last; seed++) {
      const { bound, verdicts } = await verdictsOf(seed);
      const different = verdicts.filter(differs).map(verdictText);
      const what = `seed ${seed}:\n${bound.definitions.join("")}`;
      expect(different.slice(0, 5), what).toEqual([]);
      passed.all += verdicts.length;
      passed.some += verdicts.filter(({ ours }) => ours !== "").length;
    }
    // Filters that let everything through, or nothing, would show nothing.
    expect(passed.some / passed.all).toBeGreaterThan(0.2);
    expect(passed.some / passed.all).toBeLessThan(0.8);
  },
);

import {
  FirewalldError,
  type Firewalld,
  type FirewalldFacts,
  type FirewalldStep,
} from "../ports/firewalld.ts";
import type { PassRuleReport } from "./pass-rules.ts";
import {
  planFirewalld,
  planFirewalldRemoval,
  typeFirewalld,
  type FirewalldPlan,
} from "./plan-firewalld.ts";

export interface FirewalldWish {
  /** Bridges of networks that we judge. */
  readonly bridges: readonly string[];
  readonly integration: "auto" | "print";
}

export interface FirewalldOutcome {
  readonly report: readonly PassRuleReport[];
  readonly isChanged: boolean;
  readonly failures: readonly string[];
}

/** Writing, a reload and what follows from it; more rounds mean that firewalld does not do what it is told. */
const mostRounds = 3;
const nothing: FirewalldOutcome = { report: [], isChanged: false, failures: [] };

/** Holds firewalld to what lets judged guests pass. Asks nothing while nothing has changed. Calls must not overlap. */
export class FirewalldKeeper {
  readonly #firewalld: Firewalld;
  #heldFor: string | undefined;
  #held: FirewalldOutcome = nothing;

  constructor(firewalld: Firewalld) {
    this.#firewalld = firewalld;
    firewalld.watch(() => (this.#heldFor = undefined));
  }

  async keep(wish: FirewalldWish): Promise<FirewalldOutcome> {
    const key = JSON.stringify(wish);
    if (key === this.#heldFor) return { ...this.#held, isChanged: false };
    this.#heldFor = key;
    this.#held = await this.#attempt((facts) => this.#hold(facts, wish));
    // Where nobody answers there may be no bus yet that would tell of a change.
    const isSettled = this.#held.failures.length === 0 && this.#held.report.length > 0;
    if (!isSettled) this.#heldFor = undefined;
    return this.#held;
  }

  /** Takes back what was told to firewalld, now and in its files. */
  async remove(): Promise<FirewalldOutcome> {
    this.#heldFor = undefined;
    return this.#attempt(async (facts) => {
      const steps = planFirewalldRemoval(facts);
      const failures = await this.#carryOut(steps);
      return { report: [], isChanged: steps.length > 0, failures };
    });
  }

  async #attempt(
    work: (facts: FirewalldFacts) => Promise<FirewalldOutcome>,
  ): Promise<FirewalldOutcome> {
    try {
      const facts = await this.#firewalld.read();
      return facts === undefined ? nothing : await work(facts);
    } catch (error) {
      if (!(error instanceof FirewalldError)) throw error;
      return { ...nothing, failures: [`firewalld: ${error.message}`] };
    }
  }

  async #hold(facts: FirewalldFacts, wish: FirewalldWish): Promise<FirewalldOutcome> {
    let plan: FirewalldPlan = planFirewalld(facts, wish.bridges);
    if (wish.integration === "print") return { ...nothing, report: withLine(plan) };
    let isChanged = false;
    for (let round = 0; plan.steps.length > 0 && round < mostRounds; round += 1) {
      const failures = await this.#carryOut(plan.steps);
      if (failures.length > 0) return { report: plan.report, isChanged, failures };
      isChanged = true;
      const now = await this.#firewalld.read();
      if (now === undefined) return nothing;
      plan = planFirewalld(now, wish.bridges);
    }
    return { report: plan.report, isChanged, failures: [] };
  }

  /** No reload of ours takes away what the admin changed at run time: then his own reload has to come. */
  async #carryOut(steps: readonly FirewalldStep[]): Promise<readonly string[]> {
    const isReload = steps.some(({ kind }) => kind === "reload");
    const lost = isReload ? await this.#firewalld.readRunTimeOnly() : [];
    if (lost.length === 0) {
      await this.#firewalld.carryOut(steps);
      return [];
    }
    await this.#firewalld.carryOut(steps.filter(({ kind }) => kind !== "reload"));
    const what = lost.slice(0, 3).join(", ");
    return [
      `firewalld has to be reloaded for virtwall, which would take away what was changed at run time only (${what}): ` +
        "firewall-cmd --runtime-to-permanent, or firewall-cmd --reload",
    ];
  }
}

/** What is to be typed stands by the first bridge that waits for it. */
function withLine({ report, steps }: FirewalldPlan): readonly PassRuleReport[] {
  const first = report.find(({ state, line }) => state === "needed" && line === undefined);
  return report.map((each) => (each === first ? { ...each, line: typeFirewalld(steps) } : each));
}

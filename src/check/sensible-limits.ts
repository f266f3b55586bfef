import { breach } from "./law.ts";
import { rulesOf } from "./peers.ts";
import type { PolicyLaw } from "./law.ts";

/** What is beyond a limit does not match its rule: a `deny` with one would let pass what comes too fast. */
export const sensibleLimits: PolicyLaw = (policy) =>
  rulesOf(policy)
    .filter(({ verdict, limit }) => verdict === "deny" && limit !== undefined)
    .map(({ at }) => {
      const message = "a limit on 'deny' lets pass what is beyond it";
      return breach("error", "LIMIT_ON_DENY", { at, message, hint: "put it on an 'allow'" });
    });

import { groupBy } from "../base/group.ts";
import { isOneEdit } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { breach, didYouMean } from "./law.ts";
import type { Law } from "./law.ts";

/**
 * A guest of the policy need not run. One that is spelled almost like a running guest, which the policy does not name, is told: in another
 * case, or with another letter. web1 and web2 are two guests.
 */
export const knownGuests: Law = (policy, { guests }) => {
  const running = new Set(guests.map(({ name }) => name));
  // By their digits, since a policy for many hosts names thousands that do not run here.
  const unclaimed = groupBy(
    [...running]
      .filter((name) => !policy.guests.has(name))
      .map((name) => ({ name, lower: name.toLowerCase() })),
    ({ name }) => digitsOf(name),
  ).groups;
  return [...policy.guests.values()]
    .filter(({ name }) => !running.has(name))
    .flatMap(({ name, at }) => {
      const written = name.toLowerCase();
      const alike = unclaimed.get(digitsOf(name)) ?? [];
      const meant = alike.find(({ lower }) => isOneEdit(written, lower))?.name;
      if (meant === undefined) return [];
      const message = `no guest ${quote(name)} runs, but ${quote(meant)} does`;
      const found = breach("warning", "UNKNOWN_GUEST", { at, message, hint: didYouMean(meant) });
      return { ...found, guest: name };
    });
};

/** web01 and web1 have the same. */
function digitsOf(name: string): string {
  return name.replace(/(?<![0-9])0+(?=[0-9])|[^0-9]/g, "");
}

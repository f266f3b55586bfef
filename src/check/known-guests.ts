import { editDistance } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { breach, didYouMean } from "./law.ts";
import type { Law } from "./law.ts";

/** A guest of the policy need not run. One that is spelled almost like a running guest, which the policy does not name, is told. */
export const knownGuests: Law = (policy, { guests }) => {
  const running = new Set(guests.map(({ name }) => name));
  const unclaimed = [...running].filter((name) => !policy.guests.has(name));
  return [...policy.guests.values()]
    .filter(({ name }) => !running.has(name))
    .flatMap(({ name, at }) => {
      const meant = unclaimed.find((candidate) => isSlip(name, candidate));
      if (meant === undefined) return [];
      const message = `no guest ${quote(name)} runs, but ${quote(meant)} does`;
      return breach("warning", "UNKNOWN_GUEST", { at, message, hint: didYouMean(meant) });
    });
};

/** Another case, or one letter; web1 and web2 are two guests. */
function isSlip(written: string, running: string): boolean {
  const digits = (name: string) => name.replace(/[^0-9]/g, "");
  return (
    digits(written) === digits(running) &&
    editDistance(written.toLowerCase(), running.toLowerCase()) <= 1
  );
}

import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { breach, didYouMean } from "./law.ts";
import type { Law } from "./law.ts";
import type { Problem } from "../model/problem.ts";

/**
 * A network of the policy may be one that does not run now, so that is a warning. A network to reach has to run or to stand in the
 * policy.
 */
export const knownNetworks: Law = (policy, { networks }) => {
  const running = networks.map(({ name }) => name);
  const unclaimed = running.filter((name) => !policy.networks.has(name));
  const known = new Set([...running, ...policy.networks.keys()]);
  return [...policy.networks.values()].flatMap((network): Problem[] => {
    const dangling = network.reach
      .filter(({ name }) => !known.has(name))
      .map(({ name, at }) =>
        breach("error", "UNKNOWN_NETWORK", {
          at,
          message: `there is no network ${quote(name)}`,
          hint:
            didYouMean(nearest(name, known)) ??
            "start it, or name it under networks if it comes later",
        }),
      );
    if (running.includes(network.name)) return dangling;
    const meant = nearest(network.name, unclaimed);
    const missing = breach("warning", "NETWORK_NOT_RUNNING", {
      at: network.at,
      message: `no network ${quote(network.name)} runs`,
      hint: didYouMean(meant),
    });
    return [missing, ...dangling];
  });
};

import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

/** `reach` leads from one routed network to another. */
export const sensibleReach: Law = (policy, { networks }) => {
  const forward = new Map(networks.map(({ name, forward }) => [name, forward]));
  const modeOf = (name: string) => policy.networks.get(name)?.mode ?? forward.get(name);
  const isBridged = (name: string) => ["bridge", "other"].includes(forward.get(name) ?? "");
  return [...policy.networks.values()].flatMap((network) =>
    network.reach.flatMap(({ name, at }) => {
      const warn = (code: string, message: string, hint: string) =>
        breach("warning", code, { at, message, hint });
      if (name === network.name) {
        return warn(
          "REACH_SELF",
          `network ${quote(name)} reaches itself anyway`,
          "guests of one network reach each other unless it says isolate: true",
        );
      }
      if (isBridged(name) || isBridged(network.name)) {
        const bridged = isBridged(name) ? name : network.name;
        return warn(
          "REACH_BRIDGED",
          `network ${quote(bridged)} is not routed by this host`,
          "remove it from reach",
        );
      }
      if (modeOf(name) !== "isolated" && modeOf(network.name) !== "isolated") return [];
      const closed = modeOf(name) === "isolated" ? name : network.name;
      return warn(
        "REACH_ISOLATED",
        `network ${quote(closed)} is isolated, and reach opens it`,
        "give it the mode route if that is meant",
      );
    }),
  );
};

import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { breach, didYouMean } from "./law.ts";
import type { Law } from "./law.ts";

/** What `on` of `host.input` names may come later, so one that is missing is a warning: such a rule lets nobody in until then. */
export const knownHostInterfaces: Law = ({ host, networks }, inventory) => {
  const interfaces = inventory.host.interfaces.map(({ name }) => String(name));
  if (interfaces.length === 0) return [];
  const running = inventory.networks.map(({ name }) => name);
  const known = new Set([...interfaces, ...running, ...networks.keys()]);
  return (host.input ?? [])
    .flatMap(({ on }) => on)
    .filter(({ name }) => !known.has(name))
    .map(({ name, at }) =>
      breach("warning", "UNKNOWN_INTERFACE", {
        at,
        message: `the host has no interface and no network ${quote(name)}`,
        hint: didYouMean(nearest(name, known)),
      }),
    );
};

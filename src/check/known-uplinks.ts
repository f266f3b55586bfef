import { nearest } from "../base/nearest.ts";
import { breach, didYouMean } from "./law.ts";
import type { Law } from "./law.ts";

/** An uplink may come later, so one that is missing is a warning. */
export const knownUplinks: Law = ({ host: { uplinks, at, keysAt } }, { host: { interfaces } }) => {
  const names = interfaces.map(({ name }) => String(name));
  if (names.length === 0) return [];
  return (uplinks ?? [])
    .filter((uplink) => !names.includes(uplink))
    .map((uplink) =>
      breach("warning", "UNKNOWN_UPLINK", {
        at: keysAt?.get("uplinks") ?? at,
        message: `the host has no interface ${uplink}`,
        hint: didYouMean(nearest(uplink, names)),
      }),
    );
};

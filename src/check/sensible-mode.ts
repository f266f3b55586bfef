import { quote } from "../base/quote.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

/** A mode that libvirt's own rules for the network contradict is not had by writing it. */
export const sensibleMode: Law = (policy, { networks }) =>
  networks.flatMap((network) => {
    const wanted = policy.networks.get(network.name);
    if (wanted?.mode === undefined) return [];
    const { mode, at } = wanted;
    const name = quote(network.name);
    if (network.forward === "bridge" || network.forward === "other") {
      const message = `network ${name} is not routed by this host: mode ${mode} does nothing`;
      return breach("warning", "MODE_CONFLICT", { at, message, hint: "remove the mode" });
    }
    if (network.forward !== "nat" || mode === "nat" || mode === "isolated") return [];
    const message = `libvirt masquerades network ${name}, which contradicts mode ${mode}`;
    const hint = `virtwall adopt ${name} makes the network virtwall's own`;
    return breach("warning", "MODE_CONFLICT", { at, message, hint });
  });

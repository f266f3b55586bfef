import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";
import type { Place, Problem } from "../model/problem.ts";

/** What a policy may say and this version cannot carry out is refused, never passed over. */
export const supported: PolicyLaw = ({ host, guests }) => {
  const problems: Problem[] = [];
  const refuse = (key: string, at: Place) => {
    const message = `'${key}' is not supported yet`;
    problems.push(breach("error", "NOT_SUPPORTED_YET", { at, message, hint: "remove it" }));
  };
  const keyAt = (key: string) => host.keysAt?.get(key) ?? host.at;
  if (host.input !== undefined) refuse("input", keyAt("input"));
  if (host.topology !== "host") refuse(`topology: ${host.topology}`, keyAt("topology"));
  if (host.firewallVm !== undefined) refuse("firewallVm", keyAt("firewallVm"));
  for (const guest of guests.values()) {
    if (guest.filter !== undefined) refuse("filter", guest.filter.at);
    for (const nic of guest.nics.values()) {
      if (nic.filter !== undefined) refuse("filter", nic.filter.at);
      if (nic.parameters.size > 0) refuse("parameters", nic.at);
    }
  }
  return problems;
};

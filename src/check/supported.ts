import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";
import type { Place, Problem } from "../model/problem.ts";

/** What a policy may say and this version cannot carry out is refused, never passed over. */
export const supported: PolicyLaw = ({ host }) => {
  const problems: Problem[] = [];
  const refuse = (key: string, at: Place) => {
    const message = `'${key}' is not supported yet`;
    problems.push(breach("error", "NOT_SUPPORTED_YET", { at, message, hint: "remove it" }));
  };
  const keyAt = (key: string) => host.keysAt?.get(key) ?? host.at;
  if (host.topology !== "host") refuse(`topology: ${host.topology}`, keyAt("topology"));
  if (host.firewallVm !== undefined) refuse("firewallVm", keyAt("firewallVm"));
  return problems;
};

import { distinctRanges, portProtocols } from "../base/port.ts";
import type { HostRule, Service } from "../model/policy.ts";
import { printService } from "../model/print-service.ts";
import { uplinkNames } from "../model/uplinks.ts";
import { breach } from "./law.ts";
import type { Law } from "./law.ts";

/**
 * `host.input` closes what it does not name, so it must name what the admin comes in by, if only for some peers or interfaces; and a
 * `deny` for everybody must not take it back.
 */
export const failsafeInput: Law = ({ host }, inventory) => {
  const { input, failsafe, at, keysAt } = host;
  if (input === undefined) return [];
  const uplinks = uplinkNames(host, inventory.host);
  const allowed = joined(input.flatMap((rule) => (isForAnother(rule) ? rule.services : [])));
  const here = keysAt?.get("input") ?? at;
  return failsafe.flatMap((service) => {
    const text = printService(service);
    const denied = input.find((rule) => isForEverybody(rule, uplinks) && denies(rule, service));
    if (denied !== undefined) {
      const message = `this closes the failsafe service ${text} of the host to everybody`;
      const hint = "say from whom, or take it out of host.failsafe";
      return [breach("error", "INPUT_CUTS_FAILSAFE", { at: denied.at, message, hint })];
    }
    if (allowed.some((each) => holds(each, service))) return [];
    const message = `host.input closes the failsafe service ${text} of the host: no rule allows it`;
    const hint = `add { allow: ${text} }, with from if you like, or change host.failsafe`;
    return [breach("error", "INPUT_CUTS_FAILSAFE", { at: here, message, hint })];
  });
};

function denies({ verdict, services }: HostRule, wanted: Service): boolean {
  return verdict === "deny" && services.some((s) => holds(s, wanted) || holds(wanted, s));
}

/** By the uplinks, or by any interface; a prefix of no length stands for one family, which is enough to lose the other end. */
function isForEverybody({ peers, on }: HostRule, uplinks: ReadonlySet<string>): boolean {
  const names = on.map(({ name }) => name);
  const isByUplinks = uplinks.size > 0 && [...uplinks].every((uplink) => names.includes(uplink));
  const isAnybody = peers.some((peer) => {
    return peer.kind === "any" || (peer.kind === "prefix" && peer.prefix.length === 0);
  });
  return (on.length === 0 || isByUplinks) && (peers.length === 0 || isAnybody);
}

/** An `allow` for the host itself lets nobody in. */
function isForAnother({ verdict, peers }: HostRule): boolean {
  return verdict === "allow" && (peers.length === 0 || peers.some(({ kind }) => kind !== "host"));
}

/** Whether all that `inner` stands for is in `outer`. */
function holds(outer: Service, inner: Service): boolean {
  if (outer.kind === "any") return true;
  if (inner.kind === "any" || outer.protocol !== inner.protocol) return false;
  if (outer.kind === "protocol") return true;
  return (
    inner.kind === "ports" &&
    outer.ports.first <= inner.ports.first &&
    inner.ports.last <= outer.ports.last
  );
}

/** The same, with ports of one protocol that overlap or touch as one range. */
function joined(services: readonly Service[]): Service[] {
  const ports = portProtocols.flatMap((protocol) => {
    const ranges = services.flatMap((service) =>
      service.kind === "ports" && service.protocol === protocol ? [service.ports] : [],
    );
    return distinctRanges(ranges).map((range): Service => ({
      kind: "ports",
      protocol,
      ports: range,
    }));
  });
  return [...services, ...ports];
}

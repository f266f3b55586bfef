import type { Family } from "../base/address.ts";
import type { Admission } from "./admission.ts";
import type { Held, Party, Sides } from "./reach-parties.ts";
import type { Stretch } from "./reach-services.ts";

/** Flows that one policy admits and the other does not. */
export interface ReachChange {
  readonly change: "opens" | "closes";
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** `tcp/80, udp`; absent: everything. */
  readonly services?: string;
  /** Absent: of every family that both ends have. */
  readonly family?: Family;
  /** What the world asks for: `203.0.113.10:8080`. */
  readonly publication?: string;
}

/** What is compared, and whom it is asked about. */
export interface Scene {
  readonly sides: Sides<Held>;
  readonly parties: readonly Party[];
  readonly stretches: readonly Stretch[];
  readonly admissions: Sides<Admission>;
  /** Only what became of single guests can be different. */
  readonly isSameRules: boolean;
}

/** `world -> web1 tcp/80 (publication 203.0.113.10:8080) opens` */
export function formatReachChange(change: ReachChange): string {
  const { from, to, services, family, publication } = change;
  return [
    `${from.join(", ")} -> ${to.join(", ")}`,
    ...(services === undefined ? [] : [services]),
    ...(family === undefined ? [] : [`over IPv${family}`]),
    ...(publication === undefined ? [] : [`(publication ${publication})`]),
    change.change,
  ].join(" ");
}

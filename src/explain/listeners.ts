import { type Family, toBits } from "../base/address.ts";

/** A socket that waits for somebody to begin. */
export interface Listener {
  readonly protocol: string;
  readonly families: readonly Family[];
  /** Absent: any of the host's. */
  readonly address?: string;
  readonly port: number;
  /** The interface that it is bound to. */
  readonly device?: string;
}

/** To whom a packet comes. */
export interface Called {
  readonly protocol: "tcp" | "udp";
  readonly family: Family;
  readonly address: bigint;
  readonly port: number;
  /** By which interface. */
  readonly iif: string;
}

export function hears(listener: Listener, called: Called): boolean {
  return (
    listener.protocol === called.protocol &&
    listener.port === called.port &&
    listener.families.includes(called.family) &&
    (listener.address === undefined || toBits(listener.address) === called.address) &&
    (listener.device === undefined || listener.device === called.iif)
  );
}

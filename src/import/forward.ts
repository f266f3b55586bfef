import type { Address, Prefix } from "../base/address.ts";
import type { PortProtocol, PortRange } from "../base/port.ts";
import type { Place } from "../model/problem.ts";

/** A port forward that something else than virtwall was told to make. */
export interface Forward {
  readonly at: Place;
  /** The guest's name, where the source has one. */
  readonly guest?: string;
  readonly guestAddress: Address;
  /** Absent: whatever address of the host. */
  readonly address?: Address;
  /** The interface by which it has to come; absent: any. */
  readonly interface?: string;
  readonly protocol: PortProtocol;
  readonly public: PortRange;
  /** As long as `public`. */
  readonly guestPorts: PortRange;
  /** Who may; absent: anybody. */
  readonly from?: Prefix;
}

/** What the source says and a policy cannot, or not from this source alone. */
export interface NotCarried {
  readonly at: Place;
  /** As the source has it. */
  readonly what: string;
  readonly reason: string;
}

export interface Found {
  readonly forwards: readonly Forward[];
  readonly notCarried: readonly NotCarried[];
}

/** A forward as its parts stand in a source, or the reason why no publication is the same. */
export type Read<T> = { readonly value: T } | { readonly reason: string };

export function isRead<T>(read: Read<T>): read is { readonly value: T } {
  return "value" in read;
}

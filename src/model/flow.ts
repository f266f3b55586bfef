import type { Address } from "../base/address.ts";
import type { PortProtocol } from "../base/port.ts";

/** A connection, or an exchange of datagrams, that the kernel tracks. */
export interface Flow {
  /** The kernel's name of this flow: good for as long as the flow is there. */
  readonly key: string;
  readonly protocol: PortProtocol | "icmp" | "other";
  /** Who began it. */
  readonly source: Address;
  /** Whom it was begun with, as the first packet named them; the port is 0 where the protocol has none. */
  readonly destination: Address;
  readonly port: number;
  /** Who answers: somebody else than the destination where that was rewritten. */
  readonly answerer: Address;
  readonly answererPort: number;
  /** Something came back. */
  readonly isAnswered: boolean;
}

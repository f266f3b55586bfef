import type { KnownNic } from "./read-host.ts";

/** What policy and inventory say of the guests, as far as a remedy needs it. */
export interface Knowledge {
  readonly nics: readonly KnownNic[];
  /** `host.integration`. */
  readonly integration: "auto" | "print" | "off";
  /** Publications that lead nowhere now. */
  readonly pending: readonly PendingPublication[];
}

export interface PendingPublication {
  readonly guest: string;
  readonly protocol: string;
  readonly first: number;
  readonly last: number;
  readonly reason: string;
}

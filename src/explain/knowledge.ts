import type { KnownNic } from "./read-host.ts";

/** What policy and inventory say of the guests, as far as a remedy needs it. */
export interface Knowledge {
  readonly nics: readonly KnownNic[];
  /** `host.integration`. */
  readonly integration: "auto" | "print" | "off";
  readonly publications: readonly KnownPublication[];
}

export interface KnownPublication {
  readonly guest: string;
  readonly protocol: string;
  readonly first: number;
  readonly last: number;
  /** Absent: all that face the world. */
  readonly address?: string;
  /** Why it leads nowhere now. */
  readonly reason?: string;
}

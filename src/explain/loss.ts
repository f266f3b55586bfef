/** Why a packet that no rule stops comes nowhere. */
export type Loss =
  /** `deaf`: the interface by which there would be a route, if the host heard the routers there. */
  | { readonly why: "no route"; readonly deaf?: string }
  /** In the kernel's word for such a route: `unreachable`, `blackhole`, `prohibit`. */
  | { readonly why: "refused"; readonly word: string }
  | { readonly why: "not forwarded"; readonly iif: string }
  /** By rp_filter. `dev`: where the way back leads, if there is one. */
  | { readonly why: "wrong way back"; readonly iif: string; readonly dev?: string }
  | { readonly why: "own source" }
  | { readonly why: "own frame" }
  | { readonly why: "detached"; readonly tap: string; readonly bridge: string }
  /** The next hop was asked for in vain. */
  | { readonly why: "silent"; readonly address: string; readonly dev: string }
  | { readonly why: "beside macvtap"; readonly macvtap: string; readonly dev: string }
  /** What nat has led to a guest is not undone where the guest's bridge carries the answer by itself. */
  | { readonly why: "past the host"; readonly bridge: string };

export function tellLoss(loss: Loss): string {
  switch (loss.why) {
    case "no route": {
      const unheard = `: the host forwards IPv6, and hears no router on ${loss.deaf ?? ""}`;
      return `no route${loss.deaf === undefined ? "" : unheard}`;
    }
    case "refused":
      return loss.word;
    case "not forwarded":
      return `the host forwards nothing from ${loss.iif}`;
    case "wrong way back": {
      const where =
        loss.dev === undefined ? undefined : `the way back to its source is ${loss.dev}`;
      return `rp_filter of ${loss.iif}: ${where ?? "there is no way back to its source"}`;
    }
    case "own source":
      return "its source is the host's own address";
    case "own frame":
      return "its own frame";
    case "detached":
      return `${loss.tap} is no port of ${loss.bridge}`;
    case "silent":
      return `${loss.address} does not answer on ${loss.dev}`;
    case "beside macvtap":
      return `${loss.macvtap} and the host do not hear each other on ${loss.dev}`;
    case "past the host":
      return `the answer goes past the host, from another address than was asked, on ${loss.bridge}`;
  }
}

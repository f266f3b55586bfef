/** A guest that libvirt knows, whether it runs or not. */
export interface DefinedGuest {
  readonly uuid: string;
  readonly isRunning: boolean;
  /** It is still defined when it has stopped. */
  readonly isPersistent: boolean;
}

/** The guest as it runs, or as it starts next. */
export type GuestSide = "live" | "config";

/**
 * What virtwall reads and changes of libvirt's guests, one side at a time. Guests are addressed by UUID: names are chosen by others.
 * Each throws {@link SourceError} with libvirt's words.
 */
export interface GuestControl {
  find(name: string): Promise<DefinedGuest | undefined>;
  xml(uuid: string, side: GuestSide): Promise<string>;
  /** Takes a whole `<interface>` element in place of that with its MAC address. One that stands there already is left alone, so that
   * putting back what was never changed needs nothing of libvirt. */
  updateNic(uuid: string, side: GuestSide, xml: string): Promise<void>;
  /** Our element in the guest's metadata, without its namespace; undefined for none. */
  metadata(uuid: string, side: GuestSide): Promise<string | undefined>;
  /** Undefined takes the element away. What it is already it stays, as with nics. */
  setMetadata(uuid: string, side: GuestSide, xml: string | undefined): Promise<void>;
}

export function sidesOf({ isRunning, isPersistent }: DefinedGuest): GuestSide[] {
  return [...(isRunning ? ["live" as const] : []), ...(isPersistent ? ["config" as const] : [])];
}

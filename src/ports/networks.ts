/** What virtwall changes of libvirt's networks. Each throws {@link NetworkError} with libvirt's words. */
export interface NetworkControl {
  /** The XML by which libvirt starts the network the next time; undefined where it keeps none of it. */
  persistentXml(name: string): Promise<string | undefined>;
  /** Keeps another XML for the next start of the network that it names. */
  define(xml: string): Promise<void>;
  start(name: string): Promise<void>;
  /** Takes its bridge away. Passed over where the network does not run. */
  stop(name: string): Promise<void>;
}

/** libvirt refused, in its own words. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
}

import { NetworkError, type NetworkControl } from "./networks.ts";

/** One network of a libvirt in memory. */
export class FakeNetworks implements NetworkControl {
  persistent: string;
  /** The XML by which it runs; undefined where it does not. */
  live: string | undefined;
  /** Calls of this name fail, as often as it stands here. */
  readonly refusals: string[] = [];
  readonly calls: string[] = [];

  constructor(xml: string) {
    this.persistent = xml;
    this.live = xml;
  }

  persistentXml(): Promise<string | undefined> {
    return Promise.resolve(this.persistent);
  }

  define(xml: string): Promise<void> {
    return this.#do("define", () => (this.persistent = xml));
  }

  start(): Promise<void> {
    return this.#do("start", () => (this.live = this.persistent));
  }

  stop(): Promise<void> {
    return this.#do("stop", () => (this.live = undefined));
  }

  #do(call: string, action: () => void): Promise<void> {
    this.calls.push(call);
    const refused = this.refusals.indexOf(call);
    if (refused >= 0) {
      this.refusals.splice(refused, 1);
      return Promise.reject(new NetworkError(`${call} refused`));
    }
    action();
    return Promise.resolve();
  }
}

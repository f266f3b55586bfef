import type { Address } from "../base/address.ts";
import type { Flow } from "../model/flow.ts";
import type { Flows } from "./flows.ts";
import { KernelError } from "./kernel.ts";

export class FakeFlows implements Flows {
  flows: readonly Flow[] = [];
  /** While set, everything fails with these words. */
  failure: string | undefined;
  /** How often the flows were listed. */
  listings = 0;

  list(addresses: readonly Address[]): Promise<readonly Flow[]> {
    if (this.failure !== undefined) return Promise.reject(new KernelError(this.failure));
    this.listings++;
    const wanted = new Set(addresses);
    return Promise.resolve(
      this.flows.filter(
        ({ source, destination, answerer }) =>
          wanted.has(source) || wanted.has(destination) || wanted.has(answerer),
      ),
    );
  }

  cut(flows: readonly Flow[]): Promise<number> {
    if (this.failure !== undefined) return Promise.reject(new KernelError(this.failure));
    const keys = new Set(flows.map(({ key }) => key));
    const before = this.flows.length;
    this.flows = this.flows.filter(({ key }) => !keys.has(key));
    return Promise.resolve(before - this.flows.length);
  }
}

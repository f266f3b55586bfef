import type { Address } from "../../base/address.ts";
import type { Flow } from "../../model/flow.ts";
import type { Flows } from "../../ports/flows.ts";
import type { GateClient } from "./gate-client.ts";

/** The kernel's connection tracking through the gate, which may ask it and change it. */
export class GateFlows implements Flows {
  readonly #gate: GateClient;

  constructor(gate: GateClient) {
    this.#gate = gate;
  }

  async list(addresses: readonly Address[]): Promise<readonly Flow[]> {
    return addresses.length === 0 ? [] : this.#gate.askFlows(addresses);
  }

  async cut(flows: readonly Flow[]): Promise<number> {
    return flows.length === 0 ? 0 : this.#gate.cutFlows(flows.map(({ key }) => key));
  }
}

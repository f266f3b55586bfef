import type { Address } from "../base/address.ts";
import type { PortProtocol, PortRange } from "../base/port.ts";
import type { Flow } from "../model/flow.ts";

/** What is needed of a publication to find it. */
export interface Published {
  readonly address: Address;
  readonly protocol: PortProtocol;
  readonly public: PortRange;
  readonly guestAddress: Address;
  readonly guestPorts: PortRange;
}

/** Publications by what a client asks for. */
export class PublishedPorts<P extends Published> {
  /** No two of one address and protocol overlap; in order of their ports. */
  readonly #byAddress = new Map<string, P[]>();

  constructor(publications: readonly P[]) {
    for (const publication of publications) {
      const key = keyOf(publication.address, publication.protocol);
      const list = this.#byAddress.get(key);
      if (list === undefined) this.#byAddress.set(key, [publication]);
      else list.push(publication);
    }
    for (const list of this.#byAddress.values()) {
      list.sort((a, b) => a.public.first - b.public.first);
    }
  }

  /** The publication that answers for what the flow was begun with. */
  asked(flow: Flow): P | undefined {
    const list = this.#byAddress.get(keyOf(flow.destination, flow.protocol)) ?? [];
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle]?.public.first ?? Infinity) <= flow.port) low = middle + 1;
      else high = middle;
    }
    const found = list[low - 1];
    return found !== undefined && flow.port <= found.public.last ? found : undefined;
  }

  /** The publication that led the flow to whom it leads. */
  leading(flow: Flow): P | undefined {
    const found = this.asked(flow);
    if (found?.guestAddress !== flow.answerer) return undefined;
    const port = found.guestPorts.first + flow.port - found.public.first;
    return port === flow.answererPort ? found : undefined;
  }
}

function keyOf(address: Address, protocol: Flow["protocol"]): string {
  return `${address} ${protocol}`;
}

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Address } from "../base/address.ts";
import type { Flow } from "../model/flow.ts";
import type { Flows } from "./flows.ts";

export interface FlowsUnderContract {
  readonly flows: Flows;
  /** Makes a UDP flow to port 9 that nobody answers, between loopback addresses. The same ends may be said again. */
  readonly begin: (source: Address, sourcePort: number, destination: Address) => Promise<void>;
  readonly close: () => void | Promise<void>;
}

const a = "127.0.0.11" as Address;
const b = "127.0.0.12" as Address;
const c = "127.0.0.13" as Address;

/** What the flows of every kernel promise, the real one and the one in memory. */
export function flowsContract(name: string, open: () => Promise<FlowsUnderContract>): void {
  describe(`the contract of flows: ${name}`, () => {
    let under: FlowsUnderContract;
    const listed = async (...addresses: readonly Address[]): Promise<readonly Flow[]> =>
      (await under.flows.list(addresses)).toSorted((x, y) => (x.source < y.source ? -1 : 1));

    beforeAll(async () => {
      under = await open();
      await under.begin(a, 4001, b);
      await under.begin(c, 4002, b);
    });
    afterAll(() => under.close());

    it("tells who began a flow, whom it was begun with, and who answers", async () => {
      expect(await listed(a)).toEqual([
        {
          key: expect.any(String) as string,
          protocol: "udp",
          source: a,
          destination: b,
          port: 9,
          answerer: b,
          answererPort: 9,
          isAnswered: false,
        },
      ]);
    });

    it("lists flows by either end, and none for addresses at no end", async () => {
      expect((await listed(b)).map(({ source }) => source)).toEqual([a, c]);
      expect(await listed("127.0.0.14" as Address, "2001:db8::1" as Address)).toEqual([]);
      expect(await listed()).toEqual([]);
    });

    it("cuts these flows and no others, and counts those that were there", async () => {
      const doomed = await listed(a);
      expect(await under.flows.cut(doomed)).toBe(1);
      expect((await listed(b)).map(({ source }) => source)).toEqual([c]);
      expect(await under.flows.cut(doomed)).toBe(0);
      expect(await under.flows.cut([])).toBe(0);
    });
  });
}

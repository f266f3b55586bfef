import { expect, it } from "vitest";
import type { Address } from "../base/address.ts";
import { flowsContract } from "./flows-contract.fake.ts";
import { FakeFlows } from "./flows.fake.ts";
import { KernelError } from "./kernel.ts";

flowsContract("in memory", () => {
  const flows = new FakeFlows();
  let count = 0;
  return Promise.resolve({
    flows,
    begin: (source, _sourcePort, destination) => {
      const ends = { source, destination, port: 9, answerer: destination, answererPort: 9 };
      const flow = { key: `flow ${++count}`, protocol: "udp", ...ends, isAnswered: false } as const;
      flows.flows = [...flows.flows, flow];
      return Promise.resolve();
    },
    close: () => undefined,
  });
});

it("a listing that fails is no empty listing", async () => {
  const flows = new FakeFlows();
  flows.failure = "the kernel broke off";
  await expect(flows.list(["192.0.2.1" as Address])).rejects.toThrow(KernelError);
  await expect(flows.cut([])).rejects.toThrow("the kernel broke off");
});

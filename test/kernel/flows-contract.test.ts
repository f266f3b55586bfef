import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { openKernel } from "../../src/edge/nft/open-kernel.ts";
import { flowsContract } from "../../src/ports/flows-contract.fake.ts";
import { buildGate } from "./gate-program.ts";

/** The kernel tracks connections where a rule asks for their state. */
const tracking = `flush ruleset
table inet tracking {
  chain output { type filter hook output priority 0; ct state new accept; }
}
`;

flowsContract("through a gate", async () => {
  execFileSync("nft", ["-f", "-"], { input: tracking });
  const socket = `/run/flows-${process.pid}/gate.sock`;
  const kernel = await openKernel({ gate: "transient", socket, command: await buildGate() });
  if (kernel.flows === undefined) throw new Error("a gate is there, and no flows");
  return {
    flows: kernel.flows,
    begin: (source, sourcePort, destination) =>
      new Promise((resolve, reject) => {
        const from = createSocket("udp4").once("error", reject);
        from.bind(sourcePort, source, () =>
          from.send("x", 9, destination, () => from.close(() => resolve())),
        );
      }),
    close: () => {
      kernel.close();
      execFileSync("nft", ["delete", "table", "inet", "tracking"]);
    },
  };
});

import { join } from "node:path";
import { GateClient, openGateSocket } from "../src/edge/nft/gate-client.ts";
import { type BenchWorld, distFolder } from "./bench-world.ts";
import { Program } from "./program.ts";

/** A gate in the host's namespace, and a line to it. */
export interface RunningGate {
  readonly client: GateClient;
  readonly socket: string;
  stop(): Promise<void>;
}

const folder = "/run/virtwall-bench";

export async function startGate(world: BenchWorld): Promise<RunningGate> {
  const socket = `${folder}/gate.sock`;
  const program = new Program(world.host, [
    process.execPath,
    join(distFolder, "gate.js"),
    "gate",
    "--socket",
    socket,
  ]);
  await program.said("ready");
  const client = new GateClient(() => openGateSocket(socket));
  await client.ask({ kind: "adopt" });
  return {
    client,
    socket,
    stop: async () => {
      await client.ask({ kind: "remove" });
      client.close();
      await program.stop();
    },
  };
}

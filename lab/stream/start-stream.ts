import { bundleProgram } from "../bundle-program.ts";
import { LabError } from "../run-program.ts";
import type { StreamPlan, StreamReport } from "./stream-report.ts";
import { asClient } from "../uplink.ts";
import type { World } from "../world.ts";

/** Packets and new connections from the outside client to a guest, counted. */
export interface Stream {
  /** Stops sending, waits for what is still under way, and tells what became of it all. */
  end(): Promise<StreamReport>;
}

/** Starts the stream; resolves once the first echo came, or after 3 s without any. */
export async function startStream(world: World, plan: StreamPlan): Promise<Stream> {
  const program = await bundleProgram("lab/stream/main.ts", world.folder);
  const command = [...asClient, process.execPath, program, JSON.stringify(plan)];
  const running = await world.start(command);
  const deadline = Date.now() + 3_000;
  while (!running.stdout().includes("flowing") && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    end: async () => {
      running.stdin.end();
      const late = setTimeout(() => void running.end("SIGKILL"), 60_000);
      const status = await running.ended;
      clearTimeout(late);
      const report = running
        .stdout()
        .split("\n")
        .find((line) => line.startsWith("{"));
      if (status !== 0 || report === undefined) {
        throw new LabError(`the packet stream ended with ${status}: ${running.output()}`);
      }
      return JSON.parse(report) as StreamReport;
    },
  };
}

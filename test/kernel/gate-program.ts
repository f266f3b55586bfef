import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { GateClient, openGateSocket } from "../../src/edge/nft/gate-client.ts";

const source = fileURLToPath(new URL("../../src/gate/main.ts", import.meta.url));
/** In this tree and no other, where the bundle finds koffi. */
const file = fileURLToPath(
  new URL(`../../.cache/programs/gate-${process.pid}.js`, import.meta.url),
);

/** The command that runs the gate of this tree, bundled as it is shipped. */
export async function buildGate(): Promise<readonly string[]> {
  const bundle = await rolldown({ input: source, platform: "node", external: ["koffi"] });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  return [process.execPath, file];
}

export interface RunningGate {
  readonly socket: string;
  readonly client: GateClient;
  readonly child: ChildProcess;
  /** Resolves when the process is gone, and with it its socket. */
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
}

export function newSocket(): string {
  return `${mkdtempSync("/run/gate-")}/gate.sock`;
}

/** Resolves once the gate serves its socket. */
export async function startGate(
  command: readonly string[],
  socket: string = newSocket(),
): Promise<RunningGate> {
  const [program = "", ...args] = command;
  const child = spawn(program, [...args, "gate", "--socket", socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the gate ended with ${code}`)));
    child.stdout.once("data", () => resolve());
  });
  const client = new GateClient(() => openGateSocket(socket));
  const kill = (signal: NodeJS.Signals): Promise<void> => {
    client.close();
    child.kill(signal);
    return gone;
  };
  return { socket, client, child, kill };
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(command: readonly string[], input = ""): Ended {
  const [program = "", ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    input,
    encoding: "utf8",
    maxBuffer: 256 << 20,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** nft's standard output; throws when it fails. */
export function nft(...args: readonly string[]): string {
  const { status, stdout, stderr } = run(["nft", ...args]);
  if (status !== 0) throw new Error(`nft ${args.join(" ")}: ${stderr}`);
  return stdout;
}

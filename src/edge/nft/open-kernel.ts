import { KernelError } from "../../ports/kernel.ts";
import { defaultGateSocket } from "../../wire/gate-protocol.ts";
import { GateClient, openGateSocket } from "./gate-client.ts";
import { NftKernel } from "./kernel.ts";
import { gateCommand, isUnserved, openLastingGate, openTransientGate } from "./start-gate.ts";

export interface KernelOptions {
  /**
   * - `lasting`: the daemon's. Starts a gate that outlives this process, and again whenever it is gone.
   * - `transient`: for one apply. Uses the gate that serves the socket, or starts one that ends with {@link NftKernel.close}.
   * - `none`: for commands that only read. Uses the gate that serves the socket, to ask for the ownership; changes nothing.
   */
  readonly gate: "lasting" | "transient" | "none";
  readonly socket?: string;
  /** The gate's program and first arguments, where it is not the one beside this program. */
  readonly command?: readonly string[];
}

/**
 * With a gate, both own tables exist when this returns, so what is read afterwards is what a commit changes. Where koffi or
 * libnftables is missing there is no gate, and the kernel works in restore mode. Throws {@link KernelError} for anything else that
 * keeps a gate from starting.
 */
export async function openKernel(options: KernelOptions): Promise<NftKernel> {
  const socket = options.socket ?? defaultGateSocket;
  const command = options.command ?? gateCommand;
  if (options.gate === "lasting") {
    return withGate(new GateClient(() => openLastingGate(socket, command)));
  }
  if (await isServed(socket)) return withGate(new GateClient(() => openServedGate(socket)));
  return options.gate === "transient"
    ? withGate(new GateClient(() => openTransientGate(command)))
    : new NftKernel("no gate is running, so nobody owns the tables");
}

async function withGate(gate: GateClient): Promise<NftKernel> {
  try {
    await gate.ask({ kind: "adopt" });
    return new NftKernel(gate);
  } catch (error) {
    gate.close();
    if (error instanceof KernelError && error.missing !== undefined) {
      return new NftKernel(error.message);
    }
    throw error;
  }
}

async function isServed(socket: string): Promise<boolean> {
  try {
    (await openGateSocket(socket)).close();
    return true;
  } catch (error) {
    if (isUnserved(error)) return false;
    throw new KernelError(`${socket}: ${String(error)}`, { cause: error });
  }
}

function openServedGate(socket: string) {
  return openGateSocket(socket).catch((error: unknown) => {
    throw new KernelError(`the gate is gone: ${String(error)}`, { cause: error });
  });
}

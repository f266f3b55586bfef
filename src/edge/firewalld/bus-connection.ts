import { EventEmitter, once } from "node:events";
import type { Message, MessageBus } from "@jellybrick/dbus-next";
import { FirewalldError } from "../../ports/firewalld.ts";

export interface BusCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
  /** Default: 10 s, more than firewalld takes for any change of one thing. */
  readonly timeoutMs?: number;
}

/** The name of D-Bus's own errors where nobody has the name that was called, or lost it while we waited. */
const goneErrors: ReadonlySet<string> = new Set(
  ["ServiceUnknown", "NameHasNoOwner", "NoReply"].map(
    (name) => `org.freedesktop.DBus.Error.${name}`,
  ),
);

/**
 * The system bus, connected when it is first asked and anew after it was lost. The library is loaded then, and not before: most
 * commands never need it.
 */
export class BusConnection {
  readonly #rules: readonly string[];
  readonly #onSignal: (message: Message) => void;
  #bus: Promise<MessageBus> | undefined;

  /** `rules`: match rules of D-Bus for the signals that are wanted. */
  constructor(rules: readonly string[], onSignal: (message: Message) => void) {
    this.#rules = rules;
    this.#onSignal = onSignal;
  }

  /** The answer's values; undefined where the destination is not on the bus. Throws {@link FirewalldError}. */
  async call(call: BusCall): Promise<readonly unknown[] | undefined> {
    const bus = await this.#connected();
    try {
      return await ask(bus, call);
    } catch (error) {
      if (isGone(error)) return undefined;
      if (isBusError(error)) throw new FirewalldError(error.message, { cause: error });
      this.close();
      throw error;
    }
  }

  /** The next call connects anew. */
  close(): void {
    const bus = this.#bus;
    this.#bus = undefined;
    void bus?.then((connected) => connected.disconnect()).catch(() => undefined);
  }

  #connected(): Promise<MessageBus> {
    this.#bus ??= this.#connect().catch((error: unknown) => {
      this.#bus = undefined;
      throw new FirewalldError(`no connection to the system bus: ${String(error)}`, {
        cause: error,
      });
    });
    return this.#bus;
  }

  async #connect(): Promise<MessageBus> {
    const { systemBus } = await import("@jellybrick/dbus-next");
    const bus = systemBus();
    // Its types do not tell of "error".
    const events = bus as unknown as EventEmitter;
    events.on("error", () => this.close());
    try {
      await once(events, "connect", { signal: AbortSignal.timeout(5_000) });
      bus.on("message", this.#onSignal);
      for (const rule of this.#rules) {
        await ask(bus, { ...dbusItself, member: "AddMatch", signature: "s", body: [rule] });
      }
      return bus;
    } catch (error) {
      bus.disconnect();
      throw error;
    }
  }
}

const dbusItself = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;

/** A question starts nothing that the host does not run (NO_AUTO_START, D-Bus specification). */
const noAutoStart = 2;

async function ask(bus: MessageBus, call: BusCall): Promise<readonly unknown[]> {
  const { Message: BusMessage } = await import("@jellybrick/dbus-next");
  const { body = [], timeoutMs = 10_000, ...rest } = call;
  const message = new BusMessage({ ...rest, flags: noAutoStart, body: [...body] });
  let timer: NodeJS.Timeout | undefined;
  // The library keeps a call for ever whose connection has ended.
  const late = new Promise<never>((_resolve, reject) => {
    const words = `${call.destination} did not answer ${call.member} in ${timeoutMs} ms`;
    timer = setTimeout(() => reject(new FirewalldError(words)), timeoutMs);
  });
  try {
    return (await Promise.race([bus.call(message), late]))?.body ?? [];
  } finally {
    clearTimeout(timer);
  }
}

function isBusError(error: unknown): error is Error & { readonly type: string } {
  return error instanceof Error && "type" in error && typeof error.type === "string";
}

function isGone(error: unknown): boolean {
  return isBusError(error) && goneErrors.has(error.type);
}

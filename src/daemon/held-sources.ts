import type { SourcePorts } from "./beliefs.ts";

/**
 * Sources that can be told to say for a while what they said last: while a network is restarted on purpose its bridge is away for a
 * moment, and the rules of its guests are to stay as they are.
 */
export class HeldSources implements SourcePorts {
  readonly policy: SourcePorts["policy"];
  readonly libvirt: SourcePorts["libvirt"];
  readonly host: SourcePorts["host"];
  readonly learned?: NonNullable<SourcePorts["learned"]>;
  readonly filters?: NonNullable<SourcePorts["filters"]>;
  readonly #holders = new Set<object>();
  readonly #listeners = new Set<() => void>();
  readonly #running = new Set<Promise<unknown>>();

  constructor({ policy, libvirt, host, learned, filters }: SourcePorts) {
    if (learned) this.learned = { ...this.#hold(learned), ask: (uuids) => learned.ask(uuids) };
    this.policy = policy;
    if (filters) this.filters = filters;
    this.libvirt = {
      ...this.#hold(libvirt, (texts) => ({ ...texts, isRepeated: true })),
      expectChange: (change) => libvirt.expectChange(change),
    };
    this.host = this.#hold(host);
  }

  /** Resolves when nothing is being read any more. The function returned ends it, and everything is to be read again. */
  async hold(): Promise<() => void> {
    const holder = {};
    this.#holders.add(holder);
    await Promise.allSettled(this.#running);
    return () => {
      if (!this.#holders.delete(holder) || this.#holders.size > 0) return;
      this.libvirt.expectChange({ kind: "everything" });
      for (const listener of this.#listeners) listener();
    };
  }

  #hold<T>(source: Source<T>, repeat: (value: T) => T = (value) => value): Source<T> {
    let last: { readonly value: T } | undefined;
    return {
      read: async () => {
        if (this.#holders.size > 0 && last) return repeat(last.value);
        const reading = source.read();
        this.#running.add(reading);
        try {
          last = { value: await reading };
          return last.value;
        } finally {
          this.#running.delete(reading);
        }
      },
      watch: (listener) => {
        this.#listeners.add(listener);
        const stop = source.watch(() => {
          if (this.#holders.size === 0) listener();
        });
        return () => {
          this.#listeners.delete(listener);
          stop();
        };
      },
    };
  }
}

interface Source<T> {
  read(): Promise<T>;
  watch(listener: () => void): () => void;
}

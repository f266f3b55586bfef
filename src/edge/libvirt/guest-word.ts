import type { AgentAddress } from "../../model/inventory.ts";
import type { LearnedFacts, LearnedSource } from "../../ports/sources.ts";
import { readNeighbours, watchNeighbours } from "../host/ip-neighbours.ts";

/** One agent's answer; undefined where it gave none. */
export type AskAgent = (uuid: string) => Promise<readonly AgentAddress[] | undefined>;

interface Asked {
  answer: readonly AgentAddress[];
  pauseMs: number;
  timer?: NodeJS.Timeout;
  first: Promise<void>;
}

const firstPauseMs = 1_000;
/** An address that changes inside a guest makes no event: this often an agent that has answered is asked again. */
const longestPauseMs = 60_000;
const maxRunning = 4;

/** The neighbour table of this namespace, and the agents of guests that one asks for. */
export class GuestWord implements LearnedSource {
  readonly #askAgent: AskAgent | undefined;
  readonly #asked = new Map<string, Asked>();
  readonly #listeners = new Set<() => void>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(askAgent?: AskAgent) {
    this.#askAgent = askAgent;
  }

  async read(): Promise<LearnedFacts> {
    const neighbours = await readNeighbours();
    return { neighbours, agentAddresses: [...this.#asked.values()].flatMap((each) => each.answer) };
  }

  watch(listener: () => void): () => void {
    const stop = watchNeighbours(listener);
    this.#listeners.add(listener);
    return () => {
      stop();
      this.#listeners.delete(listener);
      this.close();
    };
  }

  /** Resolves when each of these guests was asked once. The others are forgotten. */
  async ask(uuids: readonly string[]): Promise<void> {
    const askAgent = this.#askAgent;
    if (askAgent === undefined) return;
    const wanted = new Set(uuids);
    for (const [uuid, { timer }] of this.#asked) {
      if (wanted.has(uuid)) continue;
      clearTimeout(timer);
      this.#asked.delete(uuid);
    }
    for (const uuid of wanted) {
      if (this.#asked.has(uuid)) continue;
      const asked: Asked = { answer: [], pauseMs: firstPauseMs, first: Promise.resolve() };
      this.#asked.set(uuid, asked);
      asked.first = this.#askOnce(uuid, asked, askAgent);
    }
    await Promise.all([...this.#asked.values()].map(({ first }) => first));
  }

  close(): void {
    void this.ask([]);
  }

  async #askOnce(uuid: string, asked: Asked, askAgent: AskAgent): Promise<void> {
    if (this.#running >= maxRunning) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    this.#running++;
    const isForgotten = () => this.#asked.get(uuid) !== asked;
    const answer = isForgotten() ? undefined : await askAgent(uuid);
    this.#running--;
    this.#queue.shift()?.();
    if (isForgotten()) return;
    const isNew = answer !== undefined && JSON.stringify(answer) !== JSON.stringify(asked.answer);
    if (isNew) asked.answer = answer;
    const pauseMs = answer?.length ? longestPauseMs : asked.pauseMs;
    asked.pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    asked.timer = setTimeout(() => void this.#askOnce(uuid, asked, askAgent), pauseMs);
    asked.timer.unref();
    if (isNew) for (const listener of this.#listeners) listener();
  }
}

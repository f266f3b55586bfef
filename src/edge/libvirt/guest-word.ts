import type { AgentAddress } from "../../model/inventory.ts";
import type { LearnedFacts, LearnedSource } from "../../ports/sources.ts";
import { readNeighbours, watchNeighbours } from "../host/ip-neighbours.ts";
import { endsWithin } from "./ends-within.ts";

/** One agent's answer; undefined where it gave none. It may never come, until the signal calls the question off. */
export type AskAgent = (
  uuid: string,
  signal: AbortSignal,
) => Promise<readonly AgentAddress[] | undefined>;

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
/** An agent that answers at all answers within this: beyond it the others are not kept waiting. */
const defaultPatienceMs = 5_000;
/**
 * Each keeps one of libvirt's 20 workers (see `longestWaitMs` in live-libvirt.ts) for as long as its guest likes: after so many no agent is
 * asked any more.
 */
const mostMute = 4;

/** The neighbour table of this namespace, and the agents of guests that one asks for. */
export class GuestWord implements LearnedSource {
  readonly #askAgent: AskAgent | undefined;
  readonly #asked = new Map<string, Asked>();
  readonly #listeners = new Set<() => void>();
  readonly #queue: (() => void)[] = [];
  #running = 0;
  /** Those whose agents owe an answer for longer than that. */
  readonly #mute = new Set<string>();
  readonly #patienceMs: number;
  #calling = new AbortController();

  constructor(askAgent?: AskAgent, patienceMs = defaultPatienceMs) {
    this.#askAgent = askAgent;
    this.#patienceMs = patienceMs;
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

  /** Resolves when each of these guests was asked once, if there is hope of an answer. The others are forgotten. */
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
    this.#calling.abort();
    this.#calling = new AbortController();
  }

  async #askOnce(uuid: string, asked: Asked, askAgent: AskAgent): Promise<void> {
    if (this.#running >= maxRunning) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    this.#running++;
    const take = (answer?: readonly AgentAddress[]): void => {
      // It may have been forgotten.
      if (this.#asked.get(uuid) !== asked) return;
      const pauseMs = answer?.length ? longestPauseMs : asked.pauseMs;
      asked.pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      asked.timer = setTimeout(() => void this.#askOnce(uuid, asked, askAgent), pauseMs);
      asked.timer.unref();
      if (answer === undefined || JSON.stringify(answer) === JSON.stringify(asked.answer)) return;
      asked.answer = answer;
      for (const listener of this.#listeners) listener();
    };
    const isHopeless = this.#mute.has(uuid) || this.#mute.size >= mostMute;
    if (isHopeless || this.#asked.get(uuid) !== asked) take();
    else await this.#awaitAnswer(uuid, askAgent, take);
    this.#running--;
    this.#queue.shift()?.();
  }

  /** With patience; what comes later is taken too. */
  async #awaitAnswer(
    uuid: string,
    askAgent: AskAgent,
    take: (answer?: readonly AgentAddress[]) => void,
  ): Promise<void> {
    const answering = askAgent(uuid, this.#calling.signal).then((answer) => {
      this.#mute.delete(uuid);
      take(answer);
    });
    if (!(await endsWithin(answering, this.#patienceMs))) this.#mute.add(uuid);
  }
}

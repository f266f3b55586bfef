import { connect, type Socket } from "node:net";
import type { Address } from "../../base/address.ts";
import type { Flow } from "../../model/flow.ts";
import { KernelError } from "../../ports/kernel.ts";
import { FrameReader, printFrame } from "../../wire/frame.ts";
import {
  readGateReply,
  type GateControl,
  type GateReply,
  type GateRequest,
  type GateStatus,
} from "../../wire/gate-protocol.ts";
import { missingBehind } from "./run-nft.ts";

/** A byte stream to a gate: its socket, or the standard input and output of one started with `--once`. */
export interface GateStream {
  readonly send: (text: string) => void;
  readonly close: () => void;
  /** `error` where the stream broke; none where the gate ended it. */
  readonly onEnd: (listener: (error?: Error) => void) => void;
  readonly onData: (listener: (chunk: Uint8Array) => void) => void;
}

type GateAnswer = Exclude<GateReply, { readonly kind: "refused" }>;

interface Waiting {
  readonly request: GateRequest;
  /** What came of an answer in several parts. */
  readonly flows: Flow[];
  readonly resolve: (answer: GateAnswer) => void;
  readonly reject: (error: KernelError) => void;
}

const foreignWords = "the gate does not speak our protocol";

/** How long the gate may say nothing while a request is the first that it has to answer. */
export interface GateDeadlines {
  /** For what is only asked, and for taking tables. */
  readonly askMs: number;
  /** For what the kernel may take its time with. */
  readonly changeMs: number;
}

const defaultDeadlines: GateDeadlines = { askMs: 5_000, changeMs: 30_000 };

/** A gate that dies may still take a connection, and then drops it. */
export class GateEndedError extends KernelError {}

/**
 * Requests to the gate. Opens its stream at the first request and again after the stream ended, so a gate that was restarted is
 * found by the next request.
 */
export class GateClient {
  readonly #open: () => Promise<GateStream>;
  readonly #waiting = new Map<number, Waiting>();
  #stream: Promise<GateStream> | undefined;
  #lastId = 0;
  readonly #deadlines: GateDeadlines;
  #timer: NodeJS.Timeout | undefined;
  /** Others were given up, and what they say now is not heard. */
  #attached: GateStream | undefined;

  constructor(open: () => Promise<GateStream>, deadlines = defaultDeadlines) {
    this.#open = open;
    this.#deadlines = deadlines;
  }

  /** The stream is open: the gate is the one that was asked last. */
  get isConnected(): boolean {
    return this.#attached !== undefined;
  }

  /**
   * Throws {@link KernelError} when the gate refuses, cannot be reached, says nothing in time, or ends before it has answered. In the
   * last two cases a commit may have happened or not: list the tables to know. All other requests may be made twice, and are where the gate ended.
   */
  async ask(request: GateControl): Promise<GateStatus> {
    const answer = await this.#exchange(request);
    if (answer.kind !== "done") throw new KernelError(foreignWords);
    return answer.status;
  }

  /** Tracked connections that have one of the addresses at an end. Throws as {@link ask}. */
  async askFlows(addresses: readonly Address[]): Promise<readonly Flow[]> {
    const answer = await this.#exchange({ kind: "flows", addresses });
    if (answer.kind !== "flows") throw new KernelError(foreignWords);
    return answer.flows;
  }

  /** Answers how many of them were still there. Throws as {@link ask}. */
  async cutFlows(keys: readonly string[]): Promise<number> {
    const answer = await this.#exchange({ kind: "cut", keys });
    if (answer.kind !== "cut") throw new KernelError(foreignWords);
    return answer.count;
  }

  async #exchange(request: GateRequest): Promise<GateAnswer> {
    try {
      return await this.#askOnce(request);
    } catch (error) {
      if (request.kind === "commit" || !(error instanceof GateEndedError)) throw error;
      return this.#askOnce(request);
    }
  }

  async #askOnce(request: GateRequest): Promise<GateAnswer> {
    const stream = await this.#connect();
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { request, flows: [], resolve, reject });
      stream.send(printFrame({ ...request, id }));
      if (this.#waiting.size === 1) this.#awaitFirst();
    });
  }

  /** The gate answers in order: only the first request has a right to an answer now. */
  #awaitFirst(): void {
    clearTimeout(this.#timer);
    const [first] = this.#waiting.values();
    if (!first) return;
    const { askMs, changeMs } = this.#deadlines;
    const isChange = ["commit", "remove", "cut"].includes(first.request.kind);
    this.#timer = setTimeout(() => this.#giveUp(), isChange ? changeMs : askMs);
  }

  #giveUp(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#attached = undefined;
    for (const { request, reject } of this.#takeWaiting()) {
      reject(new KernelError("the gate does not answer", scriptOf(request)));
    }
    void stream?.then(({ close }) => close());
  }

  #takeWaiting(): readonly Waiting[] {
    clearTimeout(this.#timer);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    return waiting;
  }

  close(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    void stream?.then(
      ({ close }) => close(),
      () => undefined,
    );
  }

  #connect(): Promise<GateStream> {
    this.#stream ??= this.#open().then(
      (stream) => {
        this.#attach(stream);
        return stream;
      },
      (error: unknown) => {
        this.#stream = undefined;
        throw error;
      },
    );
    return this.#stream;
  }

  #attach(stream: GateStream): void {
    this.#attached = stream;
    const frames = new FrameReader();
    stream.onEnd((error) => this.#end(stream, "the gate ended before it answered", error));
    stream.onData((chunk) => {
      if (this.#attached !== stream) return;
      try {
        for (const value of frames.push(chunk)) this.#take(readGateReply(value));
      } catch (error) {
        stream.close();
        this.#end(stream, foreignWords, error);
      }
    });
  }

  #take(reply: GateReply | undefined): void {
    const waiting = reply && this.#waiting.get(reply.id);
    if (reply === undefined || waiting === undefined) throw new Error("not a reply to a request");
    if (reply.kind === "flows") {
      for (const flow of reply.flows) waiting.flows.push(flow);
      if (!reply.isLast) return this.#awaitFirst();
    }
    this.#waiting.delete(reply.id);
    this.#awaitFirst();
    if (reply.kind === "flows") return waiting.resolve({ ...reply, flows: waiting.flows });
    if (reply.kind !== "refused") return waiting.resolve(reply);
    const evidence = { ...scriptOf(waiting.request), ...missingBehind(reply.message) };
    waiting.reject(new KernelError(reply.message, evidence));
  }

  #end(stream: GateStream, message: string, cause: unknown): void {
    if (this.#attached !== stream) return;
    this.#attached = undefined;
    this.#stream = undefined;
    for (const { request, reject } of this.#takeWaiting()) {
      reject(new GateEndedError(message, { ...scriptOf(request), cause }));
    }
  }
}

function scriptOf(request: GateRequest): { script?: string } {
  return request.kind === "commit" ? { script: request.script } : {};
}

/** Rejects with the system's error (ENOENT, ECONNREFUSED) while no gate serves the socket. */
export function openGateSocket(path: string): Promise<GateStream> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socketStream(socket));
    });
  });
}

function socketStream(socket: Socket): GateStream {
  let failure: Error | undefined;
  socket.on("error", (error) => {
    failure = error;
  });
  return {
    send: (text) => void socket.write(text),
    close: () => void socket.destroy(),
    onEnd: (listener) => void socket.on("close", () => listener(failure)),
    onData: (listener) => void socket.on("data", listener),
  };
}

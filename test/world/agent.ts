import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How one attempt to reach somebody ended. */
export interface Attempt {
  /** `silent`: nothing came back in time. `refused`: a host was reached that does not listen, or that rejects. */
  readonly outcome: "answered" | "silent" | "refused" | "unreachable";
  /** Label and port of the listener that answered; absent for icmp. */
  readonly by?: string;
  readonly port?: number;
  /** The client's address and port as the listener saw them. */
  readonly saw?: string;
  readonly sawPort?: number;
  readonly error?: string;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  /** The client's own address and port; absent: routing chooses, and the kernel. */
  readonly source?: string;
  readonly sourcePort?: number;
  readonly timeoutMs: number;
}

export interface StreamResult {
  readonly sent: number;
  readonly lost: number;
  readonly longestGapMs: number;
}

interface Answer {
  readonly id: number;
  readonly fault?: string;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** A process inside one network namespace that listens and sends on request. */
export class Agent {
  readonly label: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listening = new Set<string>();
  #nextId = 1;

  constructor(label: string, namespace: string) {
    this.label = label;
    const program = fileURLToPath(new URL("agent.mjs", import.meta.url));
    this.#child = spawn("ip", ["netns", "exec", namespace, process.execPath, program, label], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#receive(line));
    this.#child.on("exit", () => this.#end());
  }

  #receive(line: string): void {
    const answer = JSON.parse(line) as Answer;
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.fault === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(answer.fault));
  }

  #end(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`${this.label} has ended`));
    this.#waiting.clear();
  }

  #request<T>(command: string, request: object = {}): Promise<T> {
    const id = this.#nextId++;
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, command, ...request })}\n`);
    }) as Promise<T>;
  }

  /** Resolves once the process runs. */
  async ready(): Promise<void> {
    await this.#request("hello");
  }

  async sysctl(values: Readonly<Record<string, string>>): Promise<void> {
    await this.#request("sysctl", { values });
  }

  /** Answers on every address of the namespace; asking twice is fine. */
  async listen(protocol: "tcp" | "udp", port: number): Promise<void> {
    const key = `${protocol}/${port}`;
    if (this.#listening.has(key)) return;
    this.#listening.add(key);
    await this.#request(`listen-${protocol}`, { port });
  }

  attempt(protocol: "tcp" | "udp" | "icmp", target: Target): Promise<Attempt> {
    return this.#request(protocol, target);
  }

  /** Sources of the datagrams that reached a UDP listener since the last time it was asked. */
  async heard(port: number): Promise<readonly string[]> {
    const { sources } = await this.#request<{ sources: readonly string[] }>("heard", { port });
    return sources;
  }

  /** Opens a TCP connection that stays, under a name for {@link exchange}. */
  hold(flow: string, target: Target): Promise<Attempt> {
    return this.#request("hold", { flow, ...target });
  }

  /** Whether a held connection still carries a word there and back. */
  exchange(flow: string, timeoutMs: number): Promise<Attempt> {
    return this.#request("exchange", { flow, timeoutMs });
  }

  /** Listens on TCP and sends a line over each connection every so often, asked or not. */
  async talk(port: number, everyMs: number): Promise<void> {
    await this.#request("listen-tcp", { port, everyMs });
  }

  /** Bytes that come in over a held connection during that time. */
  async overhear(flow: string, timeoutMs: number): Promise<number> {
    return (await this.#request<{ bytes: number }>("overhear", { flow, timeoutMs })).bytes;
  }

  async release(flow: string): Promise<void> {
    await this.#request("release", { flow });
  }

  /** Numbered datagrams at a steady rate to a UDP listener, spread over flows that begin one after the other. */
  stream(request: {
    readonly host: string;
    readonly port: number;
    readonly packets: number;
    readonly perSecond: number;
    readonly flowCount: number;
  }): Promise<StreamResult> {
    return this.#request("stream", request);
  }

  /** One datagram to each of many ports, all from one port. */
  async spray(host: string, firstPort: number, count: number): Promise<void> {
    await this.#request("spray", { host, firstPort, count });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin?.end();
    await ended;
  }
}

import { createSocket, type Socket } from "node:dgram";
import { connect } from "node:net";

/** What came back for one packet that was sent at a machine, or what it sent by itself. */
export interface Answer {
  readonly probe: string;
  /** On the clock of `performance.now`. */
  readonly sentAt: number;
  /** Absent: nothing came back. */
  readonly answeredAt?: number;
  /** `refused`: an RST, or an ICMP error. Whatever it is, the packet has passed. */
  readonly by?: "answer" | "refused";
  /** Of what the machine sent by itself. */
  readonly text?: string;
}

/** Sends at a machine without a pause from its making on, and writes down what comes back. */
export class Probes {
  readonly #answers: Answer[] = [];
  readonly #stops: (() => void)[] = [];
  readonly #open = new Set<Attempt>();
  readonly startedAt = performance.now();

  /** Of the probes of this name, oldest first. Those still open are not among them. */
  of(probe: string): readonly Answer[] {
    return this.#answers.filter((answer) => answer.probe === probe);
  }

  answered(probe: string): readonly Answer[] {
    return this.of(probe).filter(({ answeredAt }) => answeredAt !== undefined);
  }

  /** A datagram every 50 ms. */
  datagrams(probe: string, address: string, port: number): void {
    const socket = createSocket("udp4");
    const sent = new Map<string, number>();
    const note = (sentAt: number, by: "answer" | "refused") =>
      this.#answers.push({ probe, sentAt, answeredAt: performance.now(), by });
    socket.on("message", (data) => note(sent.get(data.toString()) ?? 0, "answer"));
    socket.on("error", () => note(performance.now(), "refused"));
    let count = 0;
    socket.connect(port, address);
    socket.once("connect", () => {
      const timer = setInterval(() => {
        const name = String(++count);
        sent.set(name, performance.now());
        socket.send(name, (error) => {
          if (error && "code" in error && error.code === "ECONNREFUSED") {
            note(performance.now(), "refused");
          }
        });
      }, 50);
      this.#stops.push(() => clearInterval(timer));
    });
    this.#stops.push(() => socket.close());
  }

  /** A connection every 200 ms. One that nobody answers within 20 s is written down as such. */
  connections(probe: string, host: string, port: number): void {
    const begin = (): void => {
      const attempt = tryConnection(host, port);
      this.#open.add(attempt);
      void attempt.ended.then((outcome) => {
        this.#answers.push({ probe, ...outcome });
        this.#open.delete(attempt);
      });
    };
    const timer = setInterval(begin, 200);
    this.#stops.push(() => clearInterval(timer));
  }

  /** What arrives at this port of ours, whoever sends it. */
  listen(probe: string, address: string, port: number): void {
    const socket: Socket = createSocket("udp4");
    socket.on("message", (data) => {
      const now = performance.now();
      const text = data.toString();
      this.#answers.push({ probe, sentAt: now, answeredAt: now, by: "answer", text });
    });
    socket.bind(port, address);
    this.#stops.push(() => socket.close());
  }

  /** Sends nothing more, and waits for what is open. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await Promise.all([...this.#open].map(({ ended }) => ended));
  }

  /** The same once the machine is off: what it has sent is here within a second, and no more comes. */
  async stopAfterEnd(): Promise<void> {
    const timer = setTimeout(() => {
      for (const { giveUp } of this.#open) giveUp();
    }, 1_000);
    await this.stop();
    clearTimeout(timer);
  }
}

const longestMs = 20_000;

interface Attempt {
  readonly ended: Promise<Omit<Answer, "probe">>;
  readonly giveUp: () => void;
}

function tryConnection(host: string, port: number): Attempt {
  const sentAt = performance.now();
  const socket = connect({ host, port });
  let tell: (outcome: Omit<Answer, "probe">) => void = () => undefined;
  const ended = new Promise<Omit<Answer, "probe">>((resolve) => (tell = resolve));
  const end = (by?: "answer" | "refused"): void => {
    clearTimeout(timer);
    socket.destroy();
    tell({ sentAt, ...(by && { by, answeredAt: performance.now() }) });
  };
  const giveUp = (): void => end();
  const timer = setTimeout(giveUp, longestMs);
  socket.once("connect", () => end("answer"));
  socket.once("error", (error: NodeJS.ErrnoException) =>
    end(error.code === "ECONNREFUSED" ? "refused" : undefined),
  );
  return { ended, giveUp };
}

import { type Family, formatAddress, parseAddress, toBits } from "../base/address.ts";
import type { Answer } from "./answer.ts";
import type { Question } from "./question.ts";

/** A connection that the kernel tracks, as far as it matters where its packets are led. */
export interface TrackedFlow {
  readonly family: Family;
  readonly protocol: string;
  readonly source: End;
  readonly destination: End;
  /** Who answers, and to whom. */
  readonly answerer: End;
  readonly answered: End;
  readonly isAnswered: boolean;
  /** A new connection of TCP between the same ends takes its place (tcp_in_window's `reopened`, nf_conntrack_proto_tcp.c). */
  readonly isOver: boolean;
}

interface End {
  readonly address: bigint;
  readonly port: number;
}

/** What lines of /proc/net/nf_conntrack say; flows without ports are left out. */
export function parseTrackedFlows(lines: readonly string[]): readonly TrackedFlow[] {
  return lines.flatMap((line) => {
    const [network, , protocol = ""] = line.split(/ +/);
    const [source, answerer] = endsOf(line, "src", "sport");
    const [destination, answered] = endsOf(line, "dst", "dport");
    if (source === undefined || answerer === undefined) return [];
    if (destination === undefined || answered === undefined) return [];
    return [
      {
        family: network === "ipv6" ? 6 : 4,
        protocol,
        source,
        destination,
        answerer,
        answered,
        isAnswered: !line.includes("[UNREPLIED]"),
        isOver: / (TIME_WAIT|CLOSE) /.test(line),
      },
    ];
  });
}

/** Of the original direction and of the answers. */
function endsOf(line: string, key: string, portKey: string): readonly (End | undefined)[] {
  const valuesOf = (name: string) =>
    [...line.matchAll(new RegExp(` ${name}=(\\S+)`, "g"))].map(([, value = ""]) => value);
  const ports = valuesOf(portKey);
  return valuesOf(key).map((text, index) => {
    const [address, port] = [parseAddress(text), ports[index]];
    return address === undefined || port === undefined
      ? undefined
      : { address: toBits(address), port: Number(port) };
  });
}

/** Whether a flow of before could decide: who sends by UDP keeps his port, and who begins by TCP takes another unless he says which. */
export function mayBeTracked(question: Question): boolean {
  const { protocol, sourcePort } = question;
  return (
    protocol === "udp" || (protocol === "tcp" && (isGoingOn(question) || sourcePort !== undefined))
  );
}

const isGoingOn = ({ state }: Pick<Question, "state">): boolean => state === "established";

/** The flows that have the ends that are asked about: those that go on first, since one that is over is listed for minutes. */
export function flowsOf(question: Question, flows: readonly TrackedFlow[]): readonly TrackedFlow[] {
  const { family, protocol, to, port = 0, from, sourcePort } = question;
  if (typeof to !== "bigint") return [];
  const asked = flows.filter(
    (flow) =>
      flow.family === family &&
      flow.protocol === protocol &&
      isSame(flow.destination, { address: to, port }) &&
      (typeof from !== "bigint" || flow.source.address === from) &&
      (sourcePort === undefined || flow.source.port === sourcePort) &&
      (isGoingOn(question) || !flow.isOver),
  );
  return asked.toSorted((a, b) => Number(a.isOver) - Number(b.isOver));
}

/** Whether nat led it elsewhere than it leads those who begin now: it is asked about the first packet of a flow alone. */
export function isLedElsewhere(
  { answerer }: TrackedFlow,
  { to, port = 0 }: Question,
  { rewritten, verdict }: Answer,
): boolean {
  if (verdict !== "delivered" || typeof to !== "bigint") return false;
  const led = rewritten === undefined ? undefined : parseAddress(rewritten.address);
  const now = { address: led === undefined ? to : toBits(led), port: rewritten?.port ?? port };
  return !isSame(answerer, now);
}

const isSame = (a: End, b: End): boolean => a.address === b.address && a.port === b.port;

/** The question about the next packet of that flow, rewritten as it was from its beginning. */
export function goingOn(question: Question, flow: TrackedFlow): Question {
  return {
    ...question,
    from: question.from === "host" ? "host" : flow.source.address,
    sourcePort: flow.source.port,
    state: flow.isAnswered ? "established" : "new",
    answers: { source: flow.answerer, destination: flow.answered },
  };
}

/** Where it leads, and the command that ends it and those like it. */
export function wordsOfLeftover({ family, protocol, source, destination, answerer }: TrackedFlow): {
  detail: string;
  fix: string;
} {
  const of = ({ address }: End) => formatAddress(family, address);
  const flow = `a flow from ${of(source)} port ${String(source.port)}`;
  const where = `-d ${of(destination)} --orig-port-dst ${String(destination.port)}`;
  return {
    detail: `${flow} goes on to ${of(answerer)} port ${String(answerer.port)}, where it was led before`,
    fix: `conntrack -D -f ipv${String(family)} -p ${protocol} ${where} --reply-src ${of(answerer)}`,
  };
}

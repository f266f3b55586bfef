import { formatAddress, parseAddress, toBits } from "../base/address.ts";
import type { Answer } from "./answer.ts";
import type { Question } from "./question.ts";

/** A connection that the kernel tracks, as far as it matters where its packets are led. */
export interface TrackedFlow {
  readonly protocol: string;
  readonly source: End;
  readonly destination: End;
  /** Who answers. */
  readonly answerer: End;
}

interface End {
  readonly address: bigint;
  readonly port: number;
}

/** What /proc/net/nf_conntrack says; flows without ports are left out. */
export function readTrackedFlows(text: string): readonly TrackedFlow[] {
  return text.split("\n").flatMap((line) => {
    const [, , protocol = ""] = line.split(/ +/);
    const [source, answerer] = endsOf(line, "src", "sport");
    const [destination] = endsOf(line, "dst", "dport");
    if (source === undefined || answerer === undefined || destination === undefined) return [];
    return [{ protocol, source, destination, answerer }];
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

/**
 * A flow like the one asked about that goes on where nat led it before: the rules are asked about the first packet of a flow alone, and
 * senders of UDP keep their port.
 */
export function leftover(
  question: Question,
  { rewritten, verdict }: Answer,
  flows: readonly TrackedFlow[],
): TrackedFlow | undefined {
  const { protocol, to, port = 0, from, sourcePort } = question;
  if (verdict !== "delivered" || protocol !== "udp" || typeof to !== "bigint") return undefined;
  const led = rewritten === undefined ? undefined : parseAddress(rewritten.address);
  const now = { address: led === undefined ? to : toBits(led), port: rewritten?.port ?? port };
  return flows.find(
    ({ protocol: of, source, destination, answerer }) =>
      of === protocol &&
      isSame(destination, { address: to, port }) &&
      (typeof from !== "bigint" || source.address === from) &&
      (sourcePort === undefined || source.port === sourcePort) &&
      !isSame(answerer, now),
  );
}

const isSame = (a: End, b: End): boolean => a.address === b.address && a.port === b.port;

/** Where it leads, and the command that ends it and those like it. */
export function wordsOfLeftover(
  { protocol, source, destination, answerer }: TrackedFlow,
  { family }: Question,
): { detail: string; fix: string } {
  const of = ({ address }: End) => formatAddress(family, address);
  const flow = `a flow from ${of(source)} port ${String(source.port)}`;
  const where = `-d ${of(destination)} --orig-port-dst ${String(destination.port)}`;
  return {
    detail: `${flow} goes on to ${of(answerer)} port ${String(answerer.port)}, where it was led before`,
    fix: `conntrack -D -f ipv${String(family)} -p ${protocol} ${where} --reply-src ${of(answerer)}`,
  };
}

/*
 * The language of packets.txt, one promise a line:
 *
 *   tcp world -> host:80 => web1:80 from world      the guest answers, and saw the client's own address
 *   udp46 web1 -> gateway:53 => delivered           over IPv4 and IPv6 alike; the one that was asked answers
 *   tcp6 world@2001:db8:1::60 -> web1:22 => blocked
 *   udp web1:68 -> gateway:67 => delivered          from that port of the guest
 *   icmp web1 -> internet => delivered
 *
 * The protocol bears the family: `tcp`, `tcp4` and `tcp6`; `tcp46` is two lines. An end is `host`, `world`, `internet` (behind
 * `world`), a guest, `gateway` (the host's address on the bridge of the guest at the other end), or an address (`[2001:db8::1]:80`
 * with a port). `#` begins a comment. Lines after `[bridge-nf-call-iptables=1]` hold only where bridged frames also meet the inet
 * chains, until `[always]`.
 */
export interface PacketLine {
  /** As written, with the family spelt out. */
  readonly text: string;
  readonly line: number;
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly family: 4 | 6;
  readonly from: string;
  /** The client's own port and address, where it is not to choose. */
  readonly sourcePort?: number;
  readonly source?: string;
  readonly to: string;
  /** 0 for icmp. */
  readonly port: number;
  readonly outcome: Outcome;
  readonly condition: Condition;
}

export type Outcome =
  | { readonly kind: "blocked" }
  /** The one that was asked answers. */
  | { readonly kind: "delivered" }
  | {
      readonly kind: "answered";
      readonly by: string;
      readonly port: number;
      readonly saw?: string;
    };

export type Condition = "always" | "bridge-nf-call-iptables=0" | "bridge-nf-call-iptables=1";

const form =
  /^(tcp|udp|icmp)(4|6|46)? ([\w-]+)(?::(\d+))?(?:@([0-9a-f.:]+))? -> (\[[0-9a-f:]+\]|[\w.-]+)(?::(\d+))? => (.+)$/;
const answer = /^([\w-]+):(\d+)(?: from ([\w.:-]+))?$/;

/** Throws on the first line that says nothing in this language. */
export function parsePacketLines(text: string): PacketLine[] {
  let condition: Condition = "always";
  return text.split("\n").flatMap((raw, index) => {
    const words = raw.replace(/#.*/, "").trim().replaceAll(/\s+/g, " ");
    const section = /^\[(always|bridge-nf-call-iptables=[01])\]$/.exec(words);
    if (section) condition = section[1] as Condition;
    return words === "" || section ? [] : parseLine(words, index + 1, condition);
  });
}

function parseLine(words: string, line: number, condition: Condition): PacketLine[] {
  const match = form.exec(words);
  if (!match) throw new Error(`packets.txt:${line}: not understood: ${words}`);
  const [, protocol = "", families = "4", from = "", ...rest] = match;
  const [sourcePort, source, to = "", port = "0", outcome = ""] = rest;
  if ((protocol === "icmp") !== (port === "0")) {
    throw new Error(`packets.txt:${line}: tcp and udp have a port, icmp has none`);
  }
  return [...families].map((family): PacketLine => {
    return {
      text: words.replace(/^(tcp|udp|icmp)\d*/, `$1${family}`),
      line,
      protocol: protocol as PacketLine["protocol"],
      family: family === "6" ? 6 : 4,
      from,
      ...(sourcePort !== undefined && { sourcePort: Number(sourcePort) }),
      ...(source !== undefined && { source }),
      to: to.replaceAll(/[[\]]/g, ""),
      port: Number(port),
      outcome: parseOutcome(outcome, line),
      condition,
    };
  });
}

function parseOutcome(words: string, line: number): Outcome {
  if (words === "blocked" || words === "delivered") return { kind: words };
  const match = answer.exec(words);
  if (!match) throw new Error(`packets.txt:${line}: no such outcome: ${words}`);
  const [, by = "", port, saw] = match;
  return { kind: "answered", by, port: Number(port), ...(saw !== undefined && { saw }) };
}

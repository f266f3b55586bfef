import { findAttribute, readMessages, type Span } from "../../../src/gate/netlink-frame.ts";

/** A message of the kernel's nftrace (linux/netfilter/nf_tables.h): a rule that matched wholly, or the end of a chain. */
export interface Trace {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly kind: "policy" | "return" | "rule";
  /** The rule's handle. */
  readonly handle?: number;
  /** In nft's words. */
  readonly verdict: string;
}

const attribute = { table: 1, chain: 2, handle: 3, type: 4, verdict: 5, policy: 16, family: 15 };
const verdictAttribute = { code: 1, chain: 2 };
const traceMessage = (10 << 8) | 17; // NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE
const families: Readonly<Record<number, string>> = { 1: "inet", 2: "ip", 7: "bridge", 10: "ip6" };
const kinds: Readonly<Record<number, Trace["kind"]>> = { 1: "policy", 2: "return", 3: "rule" };
const codes: Readonly<Record<number, string>> = {
  0: "drop",
  1: "accept",
  2: "stolen",
  [-1]: "continue",
  [-2]: "break",
  [-3]: "jump",
  [-4]: "goto",
  [-5]: "return",
};

export function readTrace(datagram: Uint8Array): Trace[] {
  return readMessages(datagram).flatMap(({ type, body }) => {
    if (type !== traceMessage) return [];
    const all: Span = { start: 4, end: body.byteLength };
    const kind = kinds[numberAt(body, findAttribute(body, all, attribute.type))] ?? "rule";
    const handle = findAttribute(body, all, attribute.handle);
    return [
      {
        family: families[body.getUint8(0)] ?? "",
        table: textAt(body, findAttribute(body, all, attribute.table)),
        chain: textAt(body, findAttribute(body, all, attribute.chain)),
        kind,
        ...(handle !== undefined && { handle: Number(body.getBigUint64(handle.start)) }),
        verdict:
          kind === "policy"
            ? (codes[numberAt(body, findAttribute(body, all, attribute.policy))] ?? "")
            : verdictAt(body, findAttribute(body, all, attribute.verdict)),
      },
    ];
  });
}

function verdictAt(body: DataView, span: Span | undefined): string {
  if (span === undefined) return "";
  const code = findAttribute(body, span, verdictAttribute.code);
  const word = wordOf(code === undefined ? 0 : body.getInt32(code.start));
  const chain = findAttribute(body, span, verdictAttribute.chain);
  return chain === undefined ? word : `${word} ${textAt(body, chain)}`;
}

/** To a queue that nobody takes, NF_QUEUE of linux/netfilter.h, which may say that the packet is accepted then. */
function wordOf(code: number): string {
  const isQueue = code > 0 && (code & 0xff) === 3;
  if (isQueue) return (code & 0x8000) === 0 ? "drop" : "accept";
  return codes[code] ?? "";
}

function numberAt(body: DataView, span: Span | undefined): number {
  return span === undefined ? 0 : body.getUint32(span.start);
}

function textAt(body: DataView, span: Span | undefined): string {
  if (span === undefined) return "";
  const bytes = new Uint8Array(body.buffer, body.byteOffset + span.start, span.end - span.start);
  return new TextDecoder().decode(bytes).replace(/\0.*$/, "");
}

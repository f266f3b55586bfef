import type { Loaded } from "./value.ts";

/** The bytes of a header and what follows it. A bit that is not set in `known` may be anything. Never changed in place. */
export interface Layer {
  readonly bytes: Uint8Array;
  readonly known: Uint8Array;
  /** Whether more bytes may follow that nobody described. */
  readonly isOpen: boolean;
}

/** Bits of a layer, counted from its beginning. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

export function knownLayer(bytes: Uint8Array): Layer {
  return { bytes, known: new Uint8Array(bytes.length).fill(0xff), isOpen: false };
}

/** A header of that many bytes of which nothing is known yet; {@link writeBits} says what is. */
export function openLayer(length: number): Layer {
  return { bytes: new Uint8Array(length), known: new Uint8Array(length), isOpen: true };
}

/** Those bits, or with a mask those of them that it holds, the others as 0. */
export function readBits(layer: Layer, span: Span, mask = allBits(span)): Loaded {
  if (span.offset + span.length > layer.bytes.length * 8) {
    return layer.isOpen ? "unknown" : "absent";
  }
  const isKnown = (extract(layer.known, span) & mask) === mask;
  return isKnown ? extract(layer.bytes, span) & mask : "unknown";
}

const allBits = ({ length }: Span): bigint => (1n << BigInt(length)) - 1n;

/** The layer with those bits written; `unknown` forgets what they were. Bits beyond the layer's end are let be. */
export function writeBits(layer: Layer, span: Span, value: bigint | "unknown"): Layer {
  if (span.offset + span.length > layer.bytes.length * 8) return layer;
  const mask = allBits(span);
  return {
    ...layer,
    bytes: replace(layer.bytes, span, value === "unknown" ? 0n : value & mask),
    known: replace(layer.known, span, value === "unknown" ? 0n : mask),
  };
}

function bounds({ offset, length }: Span): { first: number; end: number; shift: bigint } {
  const end = Math.ceil((offset + length) / 8);
  return { first: Math.floor(offset / 8), end, shift: BigInt(end * 8 - offset - length) };
}

function extract(bytes: Uint8Array, span: Span): bigint {
  const { first, end, shift } = bounds(span);
  let bits = 0n;
  for (let i = first; i < end; i++) bits = (bits << 8n) | BigInt(bytes[i] ?? 0);
  return (bits >> shift) & ((1n << BigInt(span.length)) - 1n);
}

function replace(bytes: Uint8Array, span: Span, value: bigint): Uint8Array {
  const { first, end, shift } = bounds(span);
  const mask = ((1n << BigInt(span.length)) - 1n) << shift;
  const whole = { offset: first * 8, length: (end - first) * 8 };
  let bits = (extract(bytes, whole) & ~mask) | (value << shift);
  const changed = Uint8Array.from(bytes);
  for (let i = end - 1; i >= first; i--) {
    changed[i] = Number(bits & 0xffn);
    bits >>= 8n;
  }
  return changed;
}

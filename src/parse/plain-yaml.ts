import type { Place } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { MapEntry, Tree } from "./tree.ts";

/** Deeper than a policy nests. */
const maxDepth = 12;
/** YAML 1.2, 7.4.2. */
const maxKeyLength = 1000;

/** Neither tabs, nor what YAML takes for a line break or may not hold (1.2, 5.1 and 5.4). */
const wholeText = /^[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe]*$/;
/** What begins like this and holds nothing else is one word, in flow collections too. */
const plainWord = /[A-Za-z0-9_](?:[A-Za-z0-9_./@+%-]|:(?=[A-Za-z0-9_/:]))*/y;
/** A word of YAML's core schema that may be something else than a string: those that are not listed in `plainValue`. */
const otherValue = /^(?:[0-9][0-9._]*(?:[eE][-+]?[0-9]+)?|0[ox].*|null|true|false|nan|inf)$/i;

/** The text goes beyond what is understood here. */
class BeyondError extends Error {}

/**
 * A text of YAML's plainest part as a tree: block and flow collections of words that need no escape. Undefined for any other text,
 * and for one with a mistake: those are for the yaml package, which takes many times as long. What this gives is what that would give.
 */
export function parsePlainYaml(source: SourceText): Tree | undefined {
  if (!wholeText.test(source.text)) return undefined;
  try {
    return new PlainReader(source).document();
  } catch (error) {
    if (error instanceof BeyondError) return undefined;
    throw error;
  }
}

/** Where a block ends: the indentation of the lines that are its own. */
type Indent = number;

class PlainReader {
  readonly #file: string;
  readonly #text: string;
  #at = 0;
  /** Of the line that `#at` is in. */
  #line = 1;
  #lineStart = 0;

  constructor({ file, text }: SourceText) {
    this.#file = file;
    this.#text = text;
  }

  document(): Tree {
    const indent = this.#nextContent();
    if (indent !== 0) throw new BeyondError();
    const tree = this.#block(0, 0);
    if (this.#nextContent() !== undefined) throw new BeyondError();
    return tree;
  }

  /** Goes to the next word of a later line, or stays where it is if it is before the first word of its own. Its indentation. */
  #nextContent(): Indent | undefined {
    for (;;) {
      this.#skipSpaces();
      const char = this.#text[this.#at];
      if (char === undefined) return undefined;
      if (char === "#" && this.#isAfterSpace()) this.#skipComment();
      else if (char !== "\n") return this.#at - this.#lineStart;
      if (this.#text[this.#at] === "\n") this.#nextLine();
    }
  }

  #nextLine(): void {
    this.#at++;
    this.#line++;
    this.#lineStart = this.#at;
  }

  #skipSpaces(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  #skipComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #isAfterSpace(): boolean {
    return this.#at === this.#lineStart || this.#text[this.#at - 1] === " ";
  }

  /** After a value: nothing else may stand in its line. */
  #endLine(): void {
    this.#skipSpaces();
    if (this.#text[this.#at] === "#" && this.#isAfterSpace()) this.#skipComment();
    if (this.#at < this.#text.length && this.#text[this.#at] !== "\n") throw new BeyondError();
  }

  /** At its first word. */
  #block(indent: Indent, depth: number): Tree {
    if (depth > maxDepth) throw new BeyondError();
    return this.#isDash() ? this.#blockList(indent, depth) : this.#blockMap(indent, depth);
  }

  #isDash(): boolean {
    const after = this.#text[this.#at + 1];
    return this.#text[this.#at] === "-" && (after === " " || after === "\n" || after === undefined);
  }

  #blockMap(indent: Indent, depth: number): Tree {
    const at = this.#place();
    const entries = new Map<string, MapEntry>();
    do {
      const keyAt = this.#place();
      const key = this.#key();
      if (entries.has(key)) throw new BeyondError();
      entries.set(key, { keyAt, value: this.#blockValue({ indent, depth, keyAt }) });
    } while (this.#isNextAt(indent) && !this.#isDash());
    return { kind: "map", at, entries };
  }

  /** A key and its colon. */
  #key(): string {
    const { value } = this.#word();
    if (typeof value !== "string" || value === "__proto__") throw new BeyondError();
    if (value.length > maxKeyLength) throw new BeyondError();
    if (this.#text[this.#at] !== ":") throw new BeyondError();
    this.#at++;
    const after = this.#text[this.#at];
    if (after !== " " && after !== "\n" && after !== undefined) throw new BeyondError();
    return value;
  }

  #blockValue(of: { indent: Indent; depth: number; keyAt: Place }): Tree {
    const { indent, depth, keyAt } = of;
    this.#skipSpaces();
    const char = this.#text[this.#at];
    if (char !== undefined && char !== "\n" && char !== "#") return this.#inlineValue(of);
    const next = this.#nextContent();
    if (next !== undefined && next > indent) return this.#block(next, depth + 1);
    if (next === indent && this.#isDash()) return this.#block(next, depth + 1);
    return { kind: "scalar", at: keyAt, value: null, source: "" };
  }

  #inlineValue({ indent, depth }: { indent: Indent; depth: number }): Tree {
    const tree = this.#isFlow() ? this.#flow(indent, depth + 1) : this.#word();
    this.#endLine();
    return tree;
  }

  #blockList(indent: Indent, depth: number): Tree {
    const at = this.#place();
    const items: Tree[] = [];
    do {
      if (!this.#isDash()) throw new BeyondError();
      this.#at++;
      items.push(this.#item(indent, depth));
    } while (this.#isNextAt(indent) && this.#isDash());
    return { kind: "list", at, items };
  }

  /** After its dash, in the same line. */
  #item(indent: Indent, depth: number): Tree {
    this.#skipSpaces();
    if (this.#isDash()) throw new BeyondError();
    if (this.#isFlow()) return this.#inlineValue({ indent, depth });
    const start = this.#at;
    const word = this.#word();
    if (this.#text[this.#at] !== ":") {
      this.#endLine();
      return word;
    }
    this.#at = start;
    return this.#block(start - this.#lineStart, depth + 1);
  }

  /** Whether the next word is one of this block; throws where it belongs to none. */
  #isNextAt(indent: Indent): boolean {
    const next = this.#nextContent();
    if (next !== undefined && next > indent) throw new BeyondError();
    return next === indent;
  }

  #isFlow(): boolean {
    const char = this.#text[this.#at];
    return char === "[" || char === "{";
  }

  /** All its lines stand deeper than the block that it is in. */
  #flow(indent: Indent, depth: number): Tree {
    if (depth > maxDepth) throw new BeyondError();
    const at = this.#place();
    const isMap = this.#text[this.#at] === "{";
    const close = isMap ? "}" : "]";
    const entries = new Map<string, MapEntry>();
    const items: Tree[] = [];
    this.#at++;
    this.#skipInFlow(indent);
    while (this.#text[this.#at] !== close) {
      if (isMap) this.#flowEntry(entries, { indent, depth });
      else items.push(this.#flowValue(indent, depth));
      this.#skipInFlow(indent);
      if (this.#text[this.#at] === ",") {
        this.#at++;
        this.#skipInFlow(indent);
      } else if (this.#text[this.#at] !== close) {
        throw new BeyondError();
      }
    }
    this.#at++;
    return isMap ? { kind: "map", at, entries } : { kind: "list", at, items };
  }

  #flowEntry(entries: Map<string, MapEntry>, at: { indent: Indent; depth: number }): void {
    const keyAt = this.#place();
    const key = this.#key();
    if (entries.has(key)) throw new BeyondError();
    this.#skipInFlow(at.indent);
    entries.set(key, { keyAt, value: this.#flowValue(at.indent, at.depth) });
  }

  #flowValue(indent: Indent, depth: number): Tree {
    return this.#isFlow() ? this.#flow(indent, depth + 1) : this.#word();
  }

  #skipInFlow(indent: Indent): void {
    this.#skipSpaces();
    while (this.#text[this.#at] === "\n") {
      this.#nextLine();
      this.#skipSpaces();
      if (this.#text[this.#at] !== "\n" && this.#at - this.#lineStart <= indent) {
        throw new BeyondError();
      }
    }
  }

  #word(): Extract<Tree, { kind: "scalar" }> {
    const at = this.#place();
    const quote = this.#text[this.#at];
    if (quote === '"' || quote === "'") {
      const value = this.#quoted(quote);
      return { kind: "scalar", at, value, source: value };
    }
    plainWord.lastIndex = this.#at;
    if (!plainWord.test(this.#text)) throw new BeyondError();
    const word = this.#text.slice(this.#at, plainWord.lastIndex);
    this.#at = plainWord.lastIndex;
    return { kind: "scalar", at, value: plainValue(word), source: word };
  }

  /** In one line, and without an escape: a backslash between double quotes, a doubled quote between single ones. */
  #quoted(quote: string): string {
    const end = this.#text.indexOf(quote, this.#at + 1);
    const value = this.#text.slice(this.#at + 1, end);
    const escape = quote === '"' ? value.includes("\\") : this.#text[end + 1] === quote;
    if (end < 0 || escape || value.includes("\n")) throw new BeyondError();
    this.#at = end + 1;
    return value;
  }

  #place(): Place {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }
}

function plainValue(word: string): string | number | boolean {
  if (!otherValue.test(word)) return word;
  if (word === "true" || word === "false") return word === "true";
  if (/^(?:0|[1-9][0-9]{0,14}|0x[0-9a-fA-F]{1,8})$/.test(word)) return Number(word);
  if (/^[0-9]+(?:\.[0-9]+){2,}$/.test(word)) return word;
  throw new BeyondError();
}

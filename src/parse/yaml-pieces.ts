/** An entry of a policy's text that means by itself what it means among the others. */
export interface Piece {
  /** `host`, or `guests` and the name of a guest. */
  readonly path: readonly string[];
  /** Whole lines: the entry, and what stands before the next one. */
  readonly text: string;
  /** Its first, from 1. */
  readonly line: number;
}

/** The one section that grows with the guests. */
export const splitSection = "guests";

/** What reaches beyond its entry, or is no plain text of lines: anchors and aliases, tabs, other ends of lines. */
const beyond = /[&*\t\r\uFEFF]/;
const topKey = /^([A-Za-z][A-Za-z0-9_-]*):(?: |$)/;
const bareSection = new RegExp(`^${splitSection}: *(?:#.*)?$`);
const nameKey = /^ +(?:([A-Za-z0-9][A-Za-z0-9_.-]*)|"([^"\\]+)"|'([^']+)'):(?: |$)/;

/**
 * The entries of a text in block style: those of the top level, and of `guests` each guest. Undefined for a text of another form. That
 * an entry ends where the next one begins is seen when it is read: what a quote or a bracket leaves open is no YAML by itself.
 */
export function splitPieces(text: string): Piece[] | undefined {
  if (beyond.test(text)) return undefined;
  const splitter = new Splitter();
  for (let [at, line] = [0, 1]; at < text.length; line++) {
    const end = text.indexOf("\n", at);
    const content = text.slice(at, end < 0 ? text.length : end);
    if (!splitter.take(content, { line, at })) return undefined;
    at += content.length + 1;
  }
  return splitter.starts.map(({ path, line, at }, index, starts) => ({
    path,
    line,
    text: text.slice(at, starts[index + 1]?.at),
  }));
}

interface Start {
  readonly line: number;
  /** The offset of the line. */
  readonly at: number;
}

class Splitter {
  readonly starts: (Start & { readonly path: readonly string[] })[] = [];
  #section: readonly string[] = [];
  #isSplit = false;
  /** Of the names in the section that is split. */
  #indent: number | undefined;

  /** False for a line of which it cannot be told whose it is. */
  take(content: string, start: Start): boolean {
    const first = content.search(/[^ ]/);
    if (first < 0 || content[first] === "#") return true;
    if (first === 0) return this.#takeSection(content, start);
    if (this.#section.length === 0) return false;
    if (this.#isSplit) this.#indent ??= first;
    if (this.#indent === undefined || first > this.#indent) return true;
    const name = first === this.#indent ? nameOf(content) : undefined;
    if (name !== undefined) this.starts.push({ ...start, path: [...this.#section, name] });
    return name !== undefined;
  }

  #takeSection(content: string, start: Start): boolean {
    const name = topKey.exec(content)?.[1];
    if (name === undefined) return false;
    this.#section = [name];
    this.#isSplit = bareSection.test(content);
    this.#indent = undefined;
    this.starts.push({ ...start, path: this.#section });
    return true;
  }
}

function nameOf(content: string): string | undefined {
  const match = nameKey.exec(content);
  return match?.[1] ?? match?.[2] ?? match?.[3];
}

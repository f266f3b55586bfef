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
  const starts: { readonly path: readonly string[]; readonly line: number; readonly at: number }[] =
    [];
  let section: readonly string[] = [];
  let indent: number | undefined;
  let isSplit = false;
  for (let [at, line] = [0, 1]; at < text.length; line++) {
    const end = text.indexOf("\n", at);
    const content = text.slice(at, end < 0 ? text.length : end);
    const first = content.search(/[^ ]/);
    if (first === 0 && content[0] !== "#") {
      const name = topKey.exec(content)?.[1];
      if (name === undefined) return undefined;
      section = [name];
      indent = undefined;
      isSplit = bareSection.test(content);
      starts.push({ path: section, line, at });
    } else if (first > 0 && content[first] !== "#") {
      if (section.length === 0) return undefined;
      if (isSplit) indent ??= first;
      if (first === indent) {
        const name = nameOf(content);
        if (name === undefined) return undefined;
        starts.push({ path: [...section, name], line, at });
      } else if (indent !== undefined && first < indent) return undefined;
    }
    at += content.length + 1;
  }
  return starts.map(({ path, line, at }, index) => ({
    path,
    line,
    text: text.slice(at, starts[index + 1]?.at),
  }));
}

function nameOf(content: string): string | undefined {
  const match = nameKey.exec(content);
  return match?.[1] ?? match?.[2] ?? match?.[3];
}

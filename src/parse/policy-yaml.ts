import { isAlias, isMap, isScalar, isSeq, parseDocument } from "yaml";
import { defined } from "../base/defined.ts";
import { quote } from "../base/quote.ts";
import { placeText } from "../model/problem-text.ts";
import { placesOf } from "./text-places.ts";
import type { Place, Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { MapEntry, Tree } from "./tree.ts";
import type { Piece } from "./yaml-pieces.ts";

/** A policy for ten thousand guests has 1 MB; broken text costs the yaml package up to 10 s a MB. */
const maxLength = 2 * 1024 * 1024;
/** A policy nests seven deep; the composer of the yaml package recurses. */
const maxDepth = 32;
/** Values that stand for aliases, which is what an alias bomb blows up; all others are bounded by the file's size. */
const maxAliasValues = 100_000;

/** Why a text is not even read. */
export function refuseUnread(source: SourceText): Problem | undefined {
  const placeAt = placesOf(source);
  if (source.text.length > maxLength) {
    const message = `the file is larger than ${maxLength} characters`;
    return problem("TOO_LARGE", placeAt(0), message);
  }
  // What is no UTF-8 has been decoded to this character, or is taken for text and holds NUL.
  const foreign = source.text.search(/[\uFFFD\0]/);
  if (foreign >= 0) {
    const found = problem("NOT_TEXT", placeAt(foreign), "this is no text in UTF-8");
    return { ...found, hint: "write the file anew, saved as UTF-8" };
  }
  const deep = deepFlow(source.text);
  if (deep === undefined) return undefined;
  return problem("TOO_DEEP", placeAt(deep), `values nest more than ${maxDepth} deep`);
}

/** One file as a tree; undefined for an empty file, and for one that is not YAML at all. */
export function parseYaml(source: SourceText): { tree: Tree | undefined; problems: Problem[] } {
  const refusal = refuseUnread(source);
  if (refusal !== undefined) return { tree: undefined, problems: [refusal] };
  const placeAt = placesOf(source);
  const { document, faults } = readDocument(source.text);
  if (faults.length > 0) {
    return {
      tree: undefined,
      problems: faults.map((fault) =>
        defined({
          // The yaml package puts as much of the source into its message as it could not read.
          ...problem("BAD_YAML", placeAt(fault.pos[0]), yamlMessage(fault).slice(0, 200)),
          hint: yamlHint(fault),
        }),
      ),
    };
  }
  const builder = new TreeBuilder(placeAt);
  const tree = document.contents === null ? undefined : builder.build(document.contents, 0);
  return { tree, problems: builder.problems };
}

/** The one entry that a piece of a text holds; undefined where it does not hold one, or one with problems. */
export function parsePiece(file: string, { path, text, line }: Piece): MapEntry | undefined {
  const { document, faults } = readDocument(text);
  if (faults.length > 0) return undefined;
  const placeAt = placesOf({ file, text });
  const builder = new TreeBuilder((offset) => {
    const place = placeAt(offset);
    return { ...place, line: place.line + line - 1 };
  });
  const tree = builder.build(document.contents, path.length - 1);
  if (tree?.kind !== "map" || tree.entries.size !== 1 || builder.problems.length > 0) {
    return undefined;
  }
  return tree.entries.get(path.at(-1) ?? "");
}

function readDocument(text: string) {
  const document = parseDocument(text, {
    prettyErrors: false,
    uniqueKeys: false,
    // "silent" would also silence that there is a second document (yaml 2.9 public-api.ts).
    logLevel: "error",
    keepSourceTokens: false,
  });
  return { document, faults: [...document.errors, ...document.warnings] };
}

class TreeBuilder {
  readonly problems: Problem[] = [];
  private readonly placeAt: (offset: number) => Place;
  private readonly anchors = new Map<string, unknown>();
  private readonly open = new Set<unknown>();
  private aliasValues = 0;
  private following = 0;

  constructor(placeAt: (offset: number) => Place) {
    this.placeAt = placeAt;
  }

  build(node: unknown, depth: number): Tree | undefined {
    const at = this.placeOf(node);
    if (this.following > 0) this.aliasValues += 1;
    if (this.aliasValues > maxAliasValues) {
      if (this.aliasValues === maxAliasValues + 1) {
        this.report("TOO_LARGE", at, `aliases stand for more than ${maxAliasValues} values`);
      }
      return undefined;
    }
    if (depth > maxDepth)
      return this.report("TOO_DEEP", at, `values nest more than ${maxDepth} deep`);
    if (isAlias(node)) return this.follow(node.source, at, depth);
    if (node === null || node === undefined) return { kind: "scalar", at, value: null, source: "" };
    if (isScalar(node))
      return this.scalar(node.value, node.source, { at, anchor: node.anchor, node });
    if (!isMap(node) && !isSeq(node)) return this.report("BAD_YAML", at, "this is not a value");
    if (node.anchor !== undefined) this.anchors.set(node.anchor, node);
    this.open.add(node);
    const tree = isMap(node) ? this.map(node.items, at, depth) : this.list(node.items, at, depth);
    this.open.delete(node);
    return tree;
  }

  private scalar(
    value: unknown,
    source: string | undefined,
    from: { at: Place; anchor: string | undefined; node: unknown },
  ): Tree | undefined {
    if (from.anchor !== undefined) this.anchors.set(from.anchor, from.node);
    const plain = isPlain(value) ? value : JSON.stringify(value);
    return { kind: "scalar", at: from.at, value: plain, source: source ?? String(plain ?? "") };
  }

  private map(items: readonly { key: unknown; value: unknown }[], at: Place, depth: number): Tree {
    const entries = new Map<string, MapEntry>();
    for (const { key, value } of items) {
      const keyTree = this.build(key, depth + 1);
      const valueTree = this.build(value, depth + 1);
      if (keyTree === undefined || valueTree === undefined) continue;
      const keyAt = keyTree.at;
      if (keyTree.kind !== "scalar" || keyTree.source === "__proto__") {
        this.report("BAD_KEY", keyAt, "this cannot be a key");
        continue;
      }
      const name = typeof keyTree.value === "string" ? keyTree.value : keyTree.source;
      const first = entries.get(name);
      if (first === undefined) {
        // An empty value has no token of its own, or one at the start of the next line.
        const shown =
          value === null || isEmptyScalar(value) ? { ...valueTree, at: keyAt } : valueTree;
        entries.set(name, { keyAt, value: shown });
      } else {
        this.problems.push(duplicate(name, keyAt, first.keyAt));
      }
    }
    return { kind: "map", at, entries };
  }

  private list(items: readonly unknown[], at: Place, depth: number): Tree {
    return { kind: "list", at, items: items.flatMap((item) => this.build(item, depth + 1) ?? []) };
  }

  private follow(name: string, at: Place, depth: number): Tree | undefined {
    const target = this.anchors.get(name);
    if (target === undefined || this.open.has(target)) {
      return this.report("BAD_YAML", at, `the alias ${quote(name)} has no value yet`);
    }
    this.following += 1;
    const tree = this.build(target, depth + 1);
    this.following -= 1;
    return tree;
  }

  private report(code: string, at: Place, message: string): undefined {
    this.problems.push(problem(code, at, message));
    return undefined;
  }

  private placeOf(node: unknown): Place {
    const range = (node as { range?: [number, number, number] | null } | null)?.range;
    return this.placeAt(range?.[0] ?? 0);
  }
}

/** The same key for the second time: at `second`, after it stood at `first`. */
export function duplicate(name: string, second: Place, first: Place): Problem {
  return {
    code: "DUPLICATE_KEY",
    severity: "error",
    at: second,
    message: `${quote(name)} is given twice: here and at ${placeText(first)}`,
    hint: "remove one of them",
  };
}

function problem(code: string, at: Place, message: string): Problem {
  return { code, severity: "error", at, message };
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.value === null && (node.source ?? "") === "";
}

/**
 * The offset at which brackets or compact block entries (`- - -`, `? ? ?`) nest beyond any policy. Quotes and comments are not looked at: a policy has no
 * such run in them.
 */
function deepFlow(text: string): number | undefined {
  const compact = /(?:^|\n)[ \t]*(?:[-?:][ \t]+){32}/.exec(text);
  if (compact) return compact.index;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x5b || char === 0x7b) depth += 1;
    else if ((char === 0x5d || char === 0x7d) && depth > 0) depth -= 1;
    if (depth > maxDepth * 8) return i;
  }
  return undefined;
}

interface YamlFault {
  readonly code: string;
  readonly message: string;
}

/** The bracket that a list or mapping lacks, or has further left than it may. */
function lackingBracket({ message }: YamlFault): string | undefined {
  return /^Flow (?:sequence|map) .* end with a (.)/.exec(message)?.[1];
}

/** The package speaks to who calls it. */
function yamlMessage(fault: YamlFault): string {
  const { code, message } = fault;
  const bracket = lackingBracket(fault);
  if (bracket !== undefined) return `a '${bracket}' is missing before this, or indented too little`;
  if (code === "MULTIPLE_DOCS") return "a second document begins here";
  return code === "MULTILINE_IMPLICIT_KEY" ? "no ':' stands behind this key" : message;
}

function yamlHint(fault: YamlFault): string | undefined {
  const bracket = lackingBracket(fault);
  if (bracket !== undefined)
    return `end with '${bracket}' what is open above, further right than its key`;
  switch (fault.code) {
    case "TAB_AS_INDENT":
      return "indent with spaces";
    case "MULTIPLE_DOCS":
      return "one document a file: split it into files of policy.d";
    case "BAD_SCALAR_START":
      return "put the value between quotes";
    case "MULTILINE_IMPLICIT_KEY":
      return "write it as KEY: VALUE, or indent it as a part of the line before";
    case "BAD_INDENT":
      return "begin it in the column of its neighbours";
    case "BLOCK_AS_IMPLICIT_KEY":
      return "check the indentation, and quote a value that holds ': '";
    default:
      return undefined;
  }
}

function isPlain(value: unknown): value is string | number | boolean | null {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

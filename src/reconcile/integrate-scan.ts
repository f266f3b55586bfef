/**
 * Reads as much of a ruleset file (nft(8), "INPUT FILE FORMATS") as is needed to find its base chains and what in them may drop.
 * Everything else is skipped by its braces. Includes are named, not followed. Offsets count UTF-16 units of the text.
 */
export interface ScannedFile {
  readonly chains: readonly ScannedChain[];
  readonly includes: readonly string[];
}

export interface ScannedChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly base?: ScannedBase;
  readonly rules: readonly ScannedRule[];
}

export interface ScannedBase {
  readonly type: string;
  readonly hook: string;
  /** Variables replaced where the file defines them. */
  readonly priority: string;
  readonly policy: string;
  /** Where the rules of the chain's block begin; absent where a rule of the chain stands ahead of the block, or outside of one. */
  readonly head?: BlockHead;
}

export interface BlockHead {
  /**
   * `line`: the header ends its line, and `offset` is the line break. `inline`: more follows on the line, from `offset` on.
   * `open`: a brace follows, and the last word of the header has no `;`.
   */
  readonly kind: "line" | "inline" | "open";
  readonly offset: number;
  /** White space for a line of its own. */
  readonly indent: string;
}

export interface ScannedRule {
  /** Words outside of strings, cut at everything that is no part of a name: `invalid:drop,` gives `invalid` and `drop`. */
  readonly words: readonly string[];
  readonly comment?: string;
}

interface Token {
  readonly kind: "word" | "string" | "open" | "close" | "semicolon" | "newline";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

interface Statement {
  readonly items: readonly Item[];
  readonly words: readonly string[];
  /** Index of the token after the last item. */
  readonly next: number;
  readonly end: number;
  readonly start: number;
}

type Item = Token | { readonly kind: "group"; readonly statements: readonly Statement[] };

const tokenPattern =
  /(?<skip>[ \t\r\f\v]+|\\[ \t]*\n|#[^\n]*)|(?<newline>\n)|(?<semicolon>;)|(?<open>\{)|(?<close>\})|(?<string>"[^"]*"?)|(?<word>(?:[^\s{};"#\\]|\\(?![ \t]*\n))+)/g;

function tokenize(text: string): readonly Token[] {
  const kinds = ["newline", "semicolon", "open", "close", "string", "word"] as const;
  return [...text.matchAll(tokenPattern)].flatMap((match) => {
    const kind = kinds.find((name) => match.groups?.[name] !== undefined);
    if (kind === undefined) return [];
    return [{ kind, text: match[0], start: match.index, end: match.index + match[0].length }];
  });
}

export function scanRulesetFile(text: string): ScannedFile {
  const tokens = tokenize(text);
  const scan = new Scan(text, tokens);
  scan.file(new Blocks(tokens).read());
  return { chains: [...scan.chains.values()], includes: scan.includes };
}

/** Cuts the tokens into statements, each brace a group within its statement. A brace that never closes ends with the file. */
class Blocks {
  private readonly tokens: readonly Token[];
  private index = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  /** Up to the closing brace of the block at hand, which is eaten. */
  read(): readonly Statement[] {
    const statements: Statement[] = [];
    for (;;) {
      const statement = this.statement();
      if (statement !== undefined) statements.push(statement);
      const token = this.tokens[this.index++];
      if (token === undefined || token.kind === "close") return statements;
    }
  }

  private statement(): Statement | undefined {
    const items: Item[] = [];
    const first = this.tokens[this.index];
    let end = first?.start ?? 0;
    for (;;) {
      const token = this.tokens[this.index];
      if (token === undefined || isEnd(token)) break;
      this.index++;
      if (token.kind === "open") items.push({ kind: "group", statements: this.read() });
      else items.push(token);
      end = this.tokens[this.index - 1]?.end ?? end;
    }
    if (first === undefined || items.length === 0) return undefined;
    const words = items.flatMap((item) => (item.kind === "word" ? [item.text] : []));
    return { items, words, next: this.index, start: first.start, end };
  }
}

function isEnd(token: Token): boolean {
  return token.kind === "close" || token.kind === "semicolon" || token.kind === "newline";
}

interface WritableChain {
  family: string;
  table: string;
  name: string;
  base?: ScannedBase;
  rules: ScannedRule[];
}

const families: ReadonlySet<string> = new Set(["ip", "ip6", "inet", "arp", "bridge", "netdev"]);

class Scan {
  readonly chains = new Map<string, WritableChain>();
  readonly includes: string[] = [];
  private readonly defines = new Map<string, string>();
  private readonly text: string;
  private readonly tokens: readonly Token[];

  constructor(text: string, tokens: readonly Token[]) {
    this.text = text;
    this.tokens = tokens;
  }

  file(statements: readonly Statement[]): void {
    for (const statement of statements) {
      if (this.noteMeta(statement)) continue;
      const words = [...namesOf(statement)];
      const verb = ["add", "create", "insert"].includes(words[0] ?? "") ? words.shift() : undefined;
      const kind = words.shift();
      const family = families.has(words[0] ?? "") ? (words.shift() ?? "ip") : "ip";
      const [table = "", name = ""] = words;
      if (kind === "table") this.table(family, table, groupOf(statement));
      else if (kind === "chain") {
        this.chainBody(this.chain(family, table, name), groupOf(statement), false);
      } else if (kind === "rule") {
        const { rules } = this.chain(family, table, name);
        rules.splice(verb === "insert" ? 0 : rules.length, 0, ruleOf(statement));
      }
    }
  }

  private table(family: string, table: string, body: readonly Statement[]): void {
    for (const statement of body) {
      if (this.noteMeta(statement)) continue;
      const [kind, name = ""] = namesOf(statement);
      if (kind === "chain") {
        this.chainBody(this.chain(family, table, name), groupOf(statement), true);
      }
    }
  }

  private chainBody(
    chain: WritableChain,
    body: readonly Statement[],
    isInTableBlock: boolean,
  ): void {
    const isFirst = chain.rules.length === 0;
    const firstRule = body.findIndex((statement) => !isHeaderStatement(statement));
    const header = firstRule < 0 ? body : body.slice(0, firstRule);
    for (const statement of body) if (!isHeaderStatement(statement)) this.rule(chain, statement);
    const type = body.find((statement) => statement.words[0] === "type");
    if (type === undefined || chain.base !== undefined) return;
    const policy = body.findLast((statement) => statement.words[0] === "policy")?.words[1];
    const base = this.base(type.words, policy);
    const isAhead = isFirst && isInTableBlock && header.includes(type);
    chain.base = isAhead ? { ...base, head: this.headAfter(header, header.at(-1) ?? type) } : base;
  }

  /** An include inside a chain may hold anything, so it counts as a rule that drops. */
  private rule(chain: WritableChain, statement: Statement): void {
    if (this.noteMeta(statement)) {
      if (statement.words[0] === "include") chain.rules.push({ words: ["include"] });
    } else chain.rules.push(ruleOf(statement));
  }

  private base(words: readonly string[], policy: string | undefined): ScannedBase {
    const after = (word: string) => {
      const index = words.indexOf(word);
      return index < 0 ? "" : words.slice(index + 1).join(" ");
    };
    return {
      type: words[1] ?? "",
      hook: after("hook").split(" ")[0] ?? "",
      priority: this.resolve(after("priority")),
      policy: policy === undefined ? "accept" : this.resolve(policy),
    };
  }

  private headAfter(header: readonly Statement[], last: Statement): BlockHead {
    const lineStart = this.text.lastIndexOf("\n", last.start - 1) + 1;
    const onLine = header.find((statement) => statement.start >= lineStart) ?? last;
    let index = last.next;
    let end = last.end;
    while (this.tokens[index]?.kind === "semicolon") end = this.tokens[index++]?.end ?? end;
    const next = this.tokens[index];
    if (next?.kind === "newline") {
      const indent = this.indentOf(lineStart, onLine.start, next.start);
      return { kind: "line", offset: next.start, indent };
    }
    return { kind: index === last.next ? "open" : "inline", offset: end, indent: "" };
  }

  /** The header's own, or the next line's where the header shares its line with the chain's brace. */
  private indentOf(lineStart: number, headerStart: number, lineEnd: number): string {
    const before = this.text.slice(lineStart, headerStart);
    if (/^[ \t]*$/.test(before)) return before;
    const below = /^\n([ \t]+)[^\s}]/.exec(this.text.slice(lineEnd, lineEnd + 200))?.[1];
    return below ?? `${/^[ \t]*/.exec(before)?.[0] ?? ""}\t`;
  }

  /** Definitions and includes, which may stand at any depth. */
  private noteMeta(statement: Statement): boolean {
    const [kind, name = ""] = statement.words;
    if (kind === "include") {
      const file = statement.items.find((item) => item.kind === "string");
      this.includes.push(file?.kind === "string" ? unquote(file.text) : name);
      return true;
    }
    if (kind !== "define" && kind !== "redefine") return false;
    const value = statement.items.slice(3).flatMap((item) => (item.kind === "group" ? [] : [item]));
    this.defines.set(name, value.map((item) => unquote(item.text)).join(" "));
    return true;
  }

  private resolve(text: string): string {
    return text.replaceAll(/\$([A-Za-z0-9_]+)/g, (whole, name: string) => {
      return this.defines.get(name) ?? whole;
    });
  }

  private chain(family: string, table: string, name: string): WritableChain {
    const key = `${family} ${table} ${name}`;
    const known = this.chains.get(key);
    if (known !== undefined) return known;
    const chain: WritableChain = { family, table, name, rules: [] };
    this.chains.set(key, chain);
    return chain;
  }
}

function isHeaderStatement(statement: Statement): boolean {
  const [first] = statement.words;
  if (first === "comment") return statement.words.length === 1;
  return first === "type" || first === "policy";
}

/** The words ahead of the braces; newer nft takes quoted names too. */
function namesOf(statement: Statement): readonly string[] {
  const group = statement.items.findIndex((item) => item.kind === "group");
  const items = group < 0 ? statement.items : statement.items.slice(0, group);
  return items.flatMap((item) => (item.kind === "group" ? [] : [unquote(item.text)]));
}

function groupOf(statement: Statement): readonly Statement[] {
  const group = statement.items.find((item) => item.kind === "group");
  return group?.kind === "group" ? group.statements : [];
}

function ruleOf(statement: Statement): ScannedRule {
  const at = statement.items.findIndex((item) => item.kind === "word" && item.text === "comment");
  const comment = at < 0 ? undefined : statement.items[at + 1];
  const words = allWords(statement).flatMap((word) => word.split(/[^A-Za-z0-9_$@./-]+/));
  const kept = words.filter((word) => word !== "");
  return comment?.kind === "string"
    ? { words: kept, comment: unquote(comment.text) }
    : { words: kept };
}

function allWords(statement: Statement): readonly string[] {
  return statement.items.flatMap((item) => {
    if (item.kind === "group") return item.statements.flatMap(allWords);
    return item.kind === "word" ? [item.text] : [];
  });
}

function unquote(text: string): string {
  return text.replaceAll('"', "");
}

/** What an element or rule names: pinned in the kernel as long as that element or rule is there. */
export interface References {
  readonly sets: ReadonlySet<string>;
  readonly chains: ReadonlySet<string>;
}

/** All sets and chains named anywhere in a part of the AST. */
export function referencesOf(part: unknown): References {
  const references = { sets: new Set<string>(), chains: new Set<string>() };
  collect(part, references);
  return references;
}

function collect(part: unknown, found: { sets: Set<string>; chains: Set<string> }): void {
  if (typeof part !== "object" || part === null) return;
  if ("kind" in part) {
    if (part.kind === "reference" && "name" in part) found.sets.add(String(part.name));
    if (part.kind === "set" && "set" in part) found.sets.add(String(part.set));
    if ((part.kind === "jump" || part.kind === "goto") && "chain" in part) {
      found.chains.add(String(part.chain));
    }
  }
  for (const inner of Object.values(part)) collect(inner, found);
}

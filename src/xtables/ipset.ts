/** A set of ipset(8) as `ipset save` (7.17) prints it. */
export interface SavedSet {
  readonly name: string;
  /** `hash:ip,port`: the way it is stored, and what each part of an element is. */
  readonly type: string;
  /** Elements in their parts: `10.0.0.1`, `tcp:80`. */
  readonly elements: readonly (readonly string[])[];
  /** Whether it has elements that are left out of what others hold (`nomatch`). */
  readonly hasExceptions: boolean;
}

export function readIpsets(text: string): readonly SavedSet[] {
  const sets = new Map<string, { type: string; elements: string[][]; hasExceptions: boolean }>();
  for (const line of text.split("\n")) {
    const [command, name = "", what = "", ...options] = line.split(" ");
    if (command === "create") {
      sets.set(name, { type: what, elements: [], hasExceptions: false });
    } else if (command === "add") {
      const set = sets.get(name);
      set?.elements.push(what.split(","));
      if (set !== undefined && options.includes("nomatch")) set.hasExceptions = true;
    }
  }
  return [...sets].map(([name, set]) => ({ name, ...set }));
}

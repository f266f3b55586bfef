/** Strict access to JSON of nft: what has not the promised shape throws {@link UnexpectedJson}. */

export type Json = unknown;
export type JsonObject = Readonly<Record<string, Json>>;

export class UnexpectedJson extends Error {
  override readonly name = "UnexpectedJson";

  constructor(expected: string, found: Json) {
    super(
      `nft's JSON: expected ${expected}, found ${(JSON.stringify(found) ?? "nothing").slice(0, 200)}`,
    );
  }
}

export function isObject(json: Json): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

export function asObject(json: Json): JsonObject {
  if (!isObject(json)) throw new UnexpectedJson("an object", json);
  return json;
}

export function asArray(json: Json): readonly Json[] {
  if (!Array.isArray(json)) throw new UnexpectedJson("an array", json);
  return json;
}

/** nft writes a list of one as the bare item, and leaves an empty one out. */
export function asList(json: Json): readonly Json[] {
  if (json === undefined || json === null) return [];
  return Array.isArray(json) ? json : [json];
}

export function asString(json: Json): string {
  if (typeof json !== "string") throw new UnexpectedJson("a string", json);
  return json;
}

export function asNumber(json: Json): number {
  if (typeof json !== "number") throw new UnexpectedJson("a number", json);
  return json;
}

export function asWord<Word extends string>(json: Json, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === json);
  if (word === undefined) throw new UnexpectedJson(`one of ${words.join(", ")}`, json);
  return word;
}

/** The properties not among `known`; undefined if there are none. */
export function unknownProperties(
  object: JsonObject,
  known: readonly string[],
): string | undefined {
  const rest = Object.entries(object).filter(([name]) => !known.includes(name));
  return rest.length === 0 ? undefined : JSON.stringify(Object.fromEntries(rest));
}

/** The name and value of an object of one property, as nft tags its expressions and statements. */
export function asTagged(json: Json): readonly [tag: string, value: Json] | undefined {
  if (!isObject(json)) return undefined;
  const [tag, ...more] = Object.keys(json);
  return tag === undefined || more.length > 0 ? undefined : [tag, json[tag]];
}

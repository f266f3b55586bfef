/** Settings of a zone or a policy: values of each key as texts, sorted; what is empty, false or absent is not in it. */
export type Settings = ReadonlyMap<string, readonly string[]>;

/** Reads what D-Bus answers for `a{sv}`. */
export function settingsOf(answer: unknown): Settings {
  const settings = new Map<string, readonly string[]>();
  for (const [key, variant] of Object.entries(answer as Record<string, { value: unknown }>)) {
    const { value } = variant;
    const texts = Array.isArray(value)
      ? value.map((each: unknown) => (typeof each === "string" ? each : JSON.stringify(each)))
      : [String(value)];
    const isEmpty = texts.length === 0 || value === false || value === "";
    if (!isEmpty) settings.set(key, texts.toSorted());
  }
  return settings;
}

/** Says nothing about packets, or comes back after a reload. */
const idle: ReadonlySet<string> = new Set(["version", "short", "description", "interfaces"]);

/** Where the two differ in what decides about packets, in words. */
export function describeDifferences(
  what: string,
  now: Settings,
  written: Settings,
): readonly string[] {
  const keys = new Set([...now.keys(), ...written.keys()].filter((key) => !idle.has(key)));
  return [...keys]
    .filter((key) => JSON.stringify(now.get(key)) !== JSON.stringify(written.get(key)))
    .map((key) => `${what}: ${key}`);
}

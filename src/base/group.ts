/** The values by what `keyOf` says of them, in their order; those of which it says nothing apart. */
export function groupBy<Value>(
  values: Iterable<Value>,
  keyOf: (value: Value) => string | undefined,
): { readonly groups: ReadonlyMap<string, readonly Value[]>; readonly others: readonly Value[] } {
  const groups = new Map<string, Value[]>();
  const others: Value[] = [];
  for (const value of values) {
    const key = keyOf(value);
    const same = key === undefined ? others : groups.get(key);
    if (same !== undefined) same.push(value);
    else if (key !== undefined) groups.set(key, [value]);
  }
  return { groups, others };
}

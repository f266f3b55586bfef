/**
 * The same function, which answers from memory where it is asked about the same object again. For functions of that object alone,
 * which nobody changes once it is made: whether the memory answers or not can then be seen by the clock only.
 */
export function remembered<Key extends object, Value>(
  make: (key: Key) => Value,
): (key: Key) => Value {
  const known = new WeakMap<Key, { readonly value: Value }>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before.value;
    const value = make(key);
    known.set(key, { value });
    return value;
  };
}

/**
 * The same for functions of the object and of some more: the last answer about an object holds as long as all that `circumstances`
 * lists is the same.
 */
export function rememberedWhile<Key extends object, More, Value>(
  circumstances: (key: Key, more: More) => readonly unknown[],
  make: (key: Key, more: More) => Value,
): (key: Key, more: More) => Value {
  const known = new WeakMap<Key, { readonly listed: readonly unknown[]; readonly value: Value }>();
  return (key, more) => {
    const listed = circumstances(key, more);
    const before = known.get(key);
    if (before?.listed.every((each, index) => each === listed[index])) return before.value;
    const value = make(key, more);
    known.set(key, { listed, value });
    return value;
  };
}

/** So many answers at once are asked for again. */
const most = 1000;

/** The same for functions of what `textOf` says. Of more answers than are asked for again the oldest are forgotten. */
export function rememberedByText<Key, Value>(
  textOf: (key: Key) => string,
  make: (key: Key) => Value,
): (key: Key) => Value {
  const known = new Map<string, { readonly value: Value }>();
  return (key) => {
    const text = textOf(key);
    const before = known.get(text);
    if (before !== undefined) return before.value;
    const value = make(key);
    const [oldest] = known.keys();
    if (known.size >= most && oldest !== undefined) known.delete(oldest);
    known.set(text, { value });
    return value;
  };
}

/** The same for a value that depends on nothing: made when it is first asked for. */
export function once<Value>(make: () => Value): () => Value {
  let known: { readonly value: Value } | undefined;
  return () => (known ??= { value: make() }).value;
}

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
 * The same for functions of the object and of some more, which `circumstance` puts into a text: the last answer about an object holds
 * as long as that text is the same.
 */
export function rememberedWhile<Key extends object, More, Value>(
  circumstance: (key: Key, more: More) => string,
  make: (key: Key, more: More) => Value,
): (key: Key, more: More) => Value {
  const known = new WeakMap<Key, { readonly text: string; readonly value: Value }>();
  return (key, more) => {
    const text = circumstance(key, more);
    const before = known.get(key);
    if (before?.text === text) return before.value;
    const value = make(key, more);
    known.set(key, { text, value });
    return value;
  };
}

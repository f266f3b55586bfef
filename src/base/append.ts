/** `push(...items)` without its limit: V8 puts spread arguments on the stack, which some hundred thousand overflow. */
export function append<T>(list: T[], items: readonly T[]): void {
  for (const item of items) list.push(item);
}

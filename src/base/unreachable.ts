/** Closes a `switch` over a union: a missing case does not compile, and an impossible one crashes. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** Both lists without what they begin with and end with alike: the same objects. Of two long lists that are nearly the same little is left. */
export function withoutCommonEnds<A, B>(
  first: readonly A[],
  second: readonly B[],
): readonly [readonly A[], readonly B[]] {
  const isSame = (a: unknown, b: unknown) => a === b;
  const shorter = Math.min(first.length, second.length);
  let begin = 0;
  while (begin < shorter && isSame(first[begin], second[begin])) begin++;
  let end = 0;
  while (end < shorter - begin && isSame(first.at(-1 - end), second.at(-1 - end))) end++;
  return [first.slice(begin, first.length - end), second.slice(begin, second.length - end)];
}

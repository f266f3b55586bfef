/** Both lists without what they begin with and end with alike: the same objects. Of two long lists that are nearly the same little is left. */
export function withoutCommonEnds<A, B>(
  first: readonly A[],
  second: readonly B[],
): readonly [readonly A[], readonly B[]] {
  const [left, right]: readonly [readonly unknown[], readonly unknown[]] = [first, second];
  let [firstEnd, secondEnd] = [first.length, second.length];
  let begin = 0;
  while (begin < firstEnd && begin < secondEnd && left[begin] === right[begin]) begin++;
  while (firstEnd > begin && secondEnd > begin && left[firstEnd - 1] === right[secondEnd - 1]) {
    firstEnd--;
    secondEnd--;
  }
  return [first.slice(begin, firstEnd), second.slice(begin, secondEnd)];
}

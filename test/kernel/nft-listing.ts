/**
 * The lines of a listing less counts, with the elements of each set in order of text and on one line: nft orders the elements of
 * hash sets by bytes in memory order, which is no order to print in. nft 1.1 knows a name for one priority more than 1.0.6.
 */
export function comparableListing(text: string): string[] {
  return withoutCounts(text)
    .replaceAll(/,\n\t\t\t {5}/g, ", ")
    .replaceAll("hook output priority dstnat - 5;", "hook output priority -105;")
    .split("\n")
    .map((line) => line.replaceAll(/"[^"]*"|\{ ([^{}]*) \}/g, sortElements));
}

/** Less what the kernel counts. */
export function withoutCounts(text: string): string {
  return text
    .replaceAll(/^(\t\t(?:elements|\t {5}).*)$/gm, (line) =>
      line.replaceAll(/ counter packets \d+ bytes \d+/g, ""),
    )
    .replaceAll(/counter packets \d+ bytes \d+/g, "counter");
}

/** A quoted string on its own is left alone, whatever it holds. */
function sortElements(whole: string, elements: string | undefined): string {
  return elements === undefined ? whole : `{ ${elements.split(", ").sort().join(", ")} }`;
}

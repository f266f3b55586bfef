/** What the gate says when it ends because something is not installed, by the name of that: whoever started it reads it there. */
export const missingWords = {
  koffi: "the npm package koffi is not installed; run `npm install`",
  libnftables1: "libnftables is not installed; install the package libnftables1",
} as const;

/** What is missing, as far as these are the words of a gate that has ended; undefined where it ended for something else. */
export function missingPackage(words: string): string | undefined {
  return Object.entries(missingWords).find(([, said]) => words.includes(said))?.[0];
}

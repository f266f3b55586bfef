import type { NotCarried } from "../import/forward.ts";
import { placeText } from "../model/problem-text.ts";
import { printLines } from "./columns.ts";

/** What forwards ports by other means and no policy here says, a line each. */
export function printNotCarried(notCarried: readonly NotCarried[]): string {
  return printLines(
    notCarried.map(
      ({ at, what, reason }) => `${placeText(at)}: not carried over: ${what}: ${reason}`,
    ),
  );
}

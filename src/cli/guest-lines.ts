import { parseDocument } from "yaml";
import { splitPieces, splitSection, type Piece } from "../parse/yaml-pieces.ts";

const header = `${splitSection}:\n`;
const noContent = /^ *(?:#.*)?$/;

/** Whether the policy's text says anything of the guest; undefined where only the whole text tells. */
export function tellsOfGuest(text: string, guest: string): boolean | undefined {
  const guests = guestPieces(text);
  return guests && guests.some(({ path }) => path[1] === guest);
}

/**
 * The text after an edit that concerns one guest alone, made in its own lines: to read a policy of ten thousand publications takes a
 * second. `edit` is handed a policy of this guest, or of none, and answers undefined where nothing is to be changed. Undefined from
 * here: the edit has to be made in the whole text.
 */
export function editOwnLines(
  text: string,
  guest: string,
  edit: (policy: string) => string | undefined,
): { readonly text: string | undefined } | undefined {
  const guests = guestPieces(text);
  const own = guests?.find(({ path }) => path[1] === guest);
  const place = own ?? guests?.at(-1);
  if (place === undefined) return undefined;
  const extent = extentOf(text, place);
  const lines = own === undefined ? "" : text.slice(extent.first, extent.end);
  if (parseDocument(header + lines).errors.length > 0) return undefined;
  const edited = edit(header + lines);
  if (edited === undefined) return { text: undefined };
  if (!edited.startsWith(header)) return undefined;
  const before = text.slice(0, own === undefined ? extent.end : extent.first);
  const lead = before === "" || before.endsWith("\n") ? "" : "\n";
  const whole = before + lead + edited.slice(header.length) + text.slice(extent.end);
  return isSameElsewhere(text, whole, guest) ? { text: whole } : undefined;
}

/** One a guest; undefined where the text is of another form. */
function guestPieces(text: string): readonly Piece[] | undefined {
  const guests = splitPieces(text)?.filter(
    ({ path }) => path[0] === splitSection && path.length > 1,
  );
  return guests === undefined || guests.length === 0 ? undefined : guests;
}

/** From its key to its last line with content: comments behind it are the next one's. */
function extentOf(text: string, piece: Piece): { readonly first: number; readonly end: number } {
  let first = 0;
  for (let line = 1; line < piece.line; line++) first = text.indexOf("\n", first) + 1;
  const lines = piece.text.split("\n");
  while (noContent.test(lines.at(-1) ?? "x")) lines.pop();
  const length = lines.join("\n").length;
  const isCut = piece.text.length > length;
  return { first, end: first + length + (isCut ? 1 : 0) };
}

function isSameElsewhere(text: string, edited: string, guest: string): boolean {
  const [before, after] = [text, edited].map((each) =>
    splitPieces(each)
      ?.filter(({ path }) => path[0] !== splitSection || path[1] !== guest)
      .map((piece) => `${piece.path.join("/")}\n${piece.text.trimEnd()}`),
  );
  const isNamed = guestPieces(edited)?.filter(({ path }) => path[1] === guest).length ?? 0;
  return before !== undefined && isNamed <= 1 && before.join("\n\n") === after?.join("\n\n");
}

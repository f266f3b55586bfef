import { quote } from "../base/quote.ts";
import { refuse } from "./parsed.ts";
import { parseLibvirtName } from "./words.ts";
import type { Parsed } from "./parsed.ts";
import type { Xml } from "./xml.ts";

/** libvirt keeps each definition in a file of that name, and no file's name is longer. */
const maxLength = 255;

/** The `<name>` of a guest or network. Blanks at its ends are part of it: libvirt 9.0 runs `web1` and `web1 ` as two guests. */
export function libvirtNameOf(root: Xml): Parsed<string> {
  const name = root.child("name");
  if (name === undefined) return refuse(`<${root.name}> has no <name>`);
  const text = name.wholeText();
  return text.length > maxLength
    ? refuse(`the name ${quote(text)} has more than ${maxLength} characters`)
    : parseLibvirtName(text);
}

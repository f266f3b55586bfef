import { parseXmlText } from "./xml.ts";

/** The `<forward>` element of a network's XML, as it stands there; undefined where there is none, or no XML. */
export function forwardElementOf(xml: string): string | undefined {
  const range = rangeOf(xml);
  return range && xml.slice(range.start, range.end);
}

/** The XML with another `<forward>` element in the place of its own, and no other byte changed; undefined where it has none. */
export function withForwardElement(xml: string, element: string): string | undefined {
  const range = rangeOf(xml);
  return range && xml.slice(0, range.start) + element + xml.slice(range.end);
}

/** Whether both texts of libvirt's say the same but for `<forward>`, and for how many use a network that runs (11.3 network_conf.c). */
export function isSameButForward(one: string, other: string): boolean {
  const [first, second] = [one, other].map((xml) =>
    withForwardElement(xml, "")
      ?.trim()
      .replace(/^(<network\b[^>]*?) connections='\d+'/, "$1"),
  );
  return first !== undefined && first === second;
}

/** Offsets are those of the text itself only where the reader has changed nothing: libvirt writes no `\r` and no byte order mark. */
function rangeOf(xml: string): { readonly start: number; readonly end: number } | undefined {
  if (/[\r\uFEFF]/.test(xml)) return undefined;
  const parsed = parseXmlText({ file: "network", text: xml }, "network");
  return "fault" in parsed ? undefined : parsed.root.child("forward")?.range;
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseXmlText, type Wanted, type Xml } from "./xml.ts";

const wanted: Wanted = { name: "whole", devices: { interface: "whole" } };

/** Elements within elements, with all between them that is no tag but looks like one. */
const { content } = fc.letrec<{ element: string; content: string }>((tie) => ({
  element: fc
    .tuple(
      fc.constantFrom("disk", "devices", "interface", "name", "constructor", "n"),
      fc.constantFrom("", " a='>'", ' a="/>" b = "\'"', "\n", " a='&lt;/disk>'"),
      fc.option(tie("content"), { nil: undefined }),
    )
    .map(([name, attributes, inner]) =>
      inner === undefined ? `<${name}${attributes}/>` : `<${name}${attributes}>${inner}</${name} >`,
    ),
  content: fc
    .array(
      fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.constantFrom(
          "text\n",
          "\r\n",
          "<!-- </disk> <interface> -->",
          "<![CDATA[</disk><devices>]]>",
          "<?disk </disk> ?>",
          "&gt;",
        ),
        tie("element"),
      ),
      { maxLength: 5 },
    )
    .map((parts) => parts.join("")),
}));

test("what is wanted is read as if all were read", () => {
  fc.assert(
    fc.property(content, (inner) => {
      const source = { file: "guest.xml", text: `<domain>${inner}</domain>` };
      const [some, whole] = [wanted, "whole" as const].map((what) => {
        const parsed = parseXmlText(source, "domain", what);
        return "root" in parsed ? wantedOf(parsed.root) : parsed.fault;
      });
      expect(some).toEqual(whole);
    }),
    { numRuns: 500 },
  );
});

test("of what is not wanted nothing is seen, and what does not end is told", () => {
  const parse = (text: string) => parseXmlText({ file: "guest.xml", text }, "domain", wanted);
  const parsed = parse("<domain><os><name>x</name></os><name>y</name></domain>");
  expect("root" in parsed && parsed.root.elements().map(({ name }) => name)).toEqual(["name"]);
  expect(parse("<domain>\n <os><name>x</name>")).toEqual({
    fault: {
      at: { file: "guest.xml", line: 2, column: 2 },
      message: "the element does not end",
    },
  });
});

function wantedOf(root: Xml): unknown {
  const interfaces = root.children("devices").flatMap((devices) => devices.children("interface"));
  return [...root.children("name"), ...interfaces].map(described);
}

function described(xml: Xml): unknown {
  const { name, at, range } = xml;
  return [name, at, range, xml.attribute("a"), xml.text(), xml.elements().map(described)];
}

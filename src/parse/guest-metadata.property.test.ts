import fc from "fast-check";
import { expect, test } from "vitest";
import { guestNamespace } from "./guest-metadata.ts";
import { parseGuestXml } from "./guest-xml.ts";

const names = fc.constantFrom(
  ..."guest publish ports address from groups nics required filter parameters".split(" "),
  ..."host networks aliases __proto__ constructor x:publish".split(" "),
);
const words = fc.oneof(
  fc.constantFrom("tcp/80", "any", "true", "10.0.0.1", "52:54:00:00:00:01", "", "\u0000", "]]>"),
  fc.string({ maxLength: 20, unit: "binary" }),
);
const attribute = fc.constantFrom("", ` mac="52:54:00:00:00:01"`, ` xmlns="urn:x"`, ` a="&lt;"`);
const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    words,
    fc
      .tuple(names, attribute, fc.array(tie("tree"), { maxLength: 4 }))
      .map(([name, more, inner]) => `<${name}${more}>${inner.join("")}</${name}>`),
  ),
}));

test("no metadata makes the reading of a guest's XML throw, and all that is wrong has a place in it", () => {
  fc.assert(
    fc.property(fc.array(tree, { maxLength: 5 }), (parts) => {
      const text = `<domain><name>web1</name><metadata><guest xmlns="${guestNamespace}">${parts.join("")}</guest></metadata></domain>`;
      const { problems } = parseGuestXml({ file: "web1.xml", text });
      for (const { at } of problems) {
        expect(at.file).toBe("web1.xml");
        expect(at.column).toBeLessThanOrEqual(text.length + 1);
      }
    }),
    { numRuns: 400 },
  );
});

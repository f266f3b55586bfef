import fc from "fast-check";
import { expect, test } from "vitest";
import { parseGuestElement } from "../parse/guest-metadata.ts";
import { parseXmlText } from "../parse/xml.ts";
import { addToMetadata, removeFromMetadata } from "./edit-metadata.ts";
import { formatMapping } from "./print-status.ts";

function published(text: string) {
  const parsed = parseXmlText({ file: "metadata", text }, "guest");
  if (!("root" in parsed)) throw new Error(parsed.fault.message);
  const { own, problems } = parseGuestElement(parsed.root, "web1");
  expect(problems).toEqual([]);
  return (own?.publish ?? []).map(({ address, ports, from }) => ({
    address,
    ports: ports.map(formatMapping),
    from: from.length,
  }));
}

const port = fc.integer({ min: 1, max: 65535 });
const mapping = fc
  .tuple(fc.constantFrom("tcp", "udp"), port, fc.option(port))
  .map(([protocol, open, inside]) =>
    formatMapping({
      protocol,
      public: { first: open, last: open },
      guest: { first: inside ?? open, last: inside ?? open },
    }),
  );
const edit = fc.record({
  guest: fc.constant("web1"),
  ports: fc.uniqueArray(mapping, { minLength: 1, maxLength: 3 }),
  address: fc.constantFrom("203.0.113.1", "2001:db8::1"),
  from: fc.subarray(["admin", "group:web", "10.0.0.0/8"]),
});

test("what is added to a guest's metadata is what is read back, and removing it leaves what was there", () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 3 }), edit, (before, last) => {
      const start = before.reduce<string | undefined>(addToMetadata, undefined);
      const added = addToMetadata(start, last);
      expect(published(added)).toEqual(
        [...before, last].map(({ address, ports, from }) => ({
          address,
          ports,
          from: from.length,
        })),
      );
      const others = before.filter(({ address }) => address !== last.address);
      const removed = [...before, last]
        .filter(({ address }) => address === last.address)
        .reduce((text, each) => removeFromMetadata(text, each) ?? text, added);
      if (others.length === 0) expect(removed).toBe("");
      else expect(published(removed)).toHaveLength(others.length);
    }),
    { numRuns: 100 },
  );
});

test("a word cannot leave its element, whatever is in it", () => {
  fc.assert(
    fc.property(fc.string(), (word) => {
      const text = addToMetadata(undefined, { guest: "web1", ports: [`]]>&<"'${word}`], from: [] });
      const parsed = parseXmlText({ file: "metadata", text }, "guest");
      if (!("root" in parsed)) return;
      expect(parsed.root.elements().map(({ name }) => name)).toEqual(["publish"]);
      const [publish] = parsed.root.elements();
      expect(publish?.elements().map(({ name }) => name)).toEqual(["ports"]);
      expect(publish?.elements()[0]?.elements()).toEqual([]);
    }),
  );
});

test("an element in one line, or with comments, is added to and keeps them", () => {
  for (const text of [
    "<guest/>",
    "<guest></guest>",
    "<guest><groups>web</groups><!-- keep --></guest>",
  ]) {
    const added = addToMetadata(text, { guest: "web1", ports: ["tcp/80"], from: [] });
    expect(published(added)).toHaveLength(1);
    expect(added.includes("keep")).toBe(text.includes("keep"));
  }
});

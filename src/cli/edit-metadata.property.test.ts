import fc from "fast-check";
import { expect, test } from "vitest";
import type { Mac } from "../base/mac.ts";
import { parseGuestElement } from "../parse/guest-metadata.ts";
import { parseXmlText } from "../parse/xml.ts";
import {
  addBindingToMetadata,
  addToMetadata,
  removeBindingFromMetadata,
  removeFromMetadata,
} from "./edit-metadata.ts";
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

function own(text: string) {
  const parsed = parseXmlText({ file: "metadata", text }, "guest");
  if (!("root" in parsed)) throw new Error(parsed.fault.message);
  const result = parseGuestElement(parsed.root, "web1");
  expect(result.problems).toEqual([]);
  return result.own;
}

const mac = "52:54:00:00:00:01" as Mac;
const value = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.:]{0,20}$/);
const binding = fc.record({
  mac: fc.constant(mac),
  filter: fc.stringMatching(/^[a-z<>&"' ][a-z<>&"' -]{0,20}[a-z]$/),
  parameters: fc
    .dictionary(
      fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/),
      fc.array(value, { minLength: 1, maxLength: 3 }),
    )
    .map((values) => new Map(Object.entries(values))),
});

test("a binding in a guest's metadata is what is read back, and what else is there stays", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(
        undefined,
        "<guest/>",
        "<guest><groups>web</groups></guest>",
        `<guest><nics mac="${mac.toUpperCase()}"><address>10.0.0.1</address></nics><groups>web</groups></guest>`,
        `<guest><nics mac="${mac}"/></guest>`,
      ),
      binding,
      (before, edit) => {
        const after = addBindingToMetadata(before, edit);
        const nic = own(after)?.nics.get(mac);
        expect(nic?.filter?.name).toBe(edit.filter.trim());
        expect(new Map(nic?.parameters)).toEqual(edit.parameters);
        expect(own(after)?.groups.length).toBe(before?.includes("web") ? 1 : 0);
        expect(nic?.addresses.length).toBe(before?.includes("10.0.0.1") ? 1 : 0);
        const back = removeBindingFromMetadata(after, mac);
        expect(back === "").toBe(before?.includes("groups") !== true);
        if (back !== "") expect(own(back)?.nics.get(mac)?.filter).toBeUndefined();
      },
    ),
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";

import { planIntegration, withoutOurLines } from "./integrate-plan.ts";

const mark = 0x10000000;

const blank = fc.constantFrom("", "\n", "  ", "\t", '# a { comment; "\n', "\n\n");
const lineEnd = fc.constantFrom("\n", ";\n", "; # why } not\n", ";\n\n", ";  \n", "; ");
const indent = fc.constantFrom("", "  ", "\t", "        ");
const priority = fc.constantFrom(
  "0",
  "filter",
  "filter + 10",
  "-10",
  "mangle",
  "$PRIO",
  "security",
);
const hook = fc.constantFrom("input", "forward", "output", "prerouting", "postrouting");
const rules = fc.constantFrom(
  "ct state established,related accept",
  "ct state vmap { established : accept, invalid : drop }",
  'log prefix "drop { " counter',
  "tcp dport { 22, 80,\n 443 } accept",
  "ip saddr 10.0.0.0/8 \\\n reject",
  "jump other",
);

const chain = fc
  .record({ hook, priority, indent, policy: fc.constantFrom("drop", "accept", "") })
  .chain(({ hook, priority, indent, policy }) =>
    fc
      .tuple(
        fc.array(rules, { maxLength: 3 }),
        fc.array(lineEnd, { minLength: 5, maxLength: 5 }),
        blank,
      )
      .map(([body, ends, gap]) => {
        const header = [
          `type filter hook ${hook} priority ${priority}`,
          ...(policy === "" ? [] : [`policy ${policy}`]),
        ];
        return [...header, ...body]
          .map((text, i) => `${indent}${text}${ends[i] ?? "\n"}`)
          .join(gap.trimEnd() === "" ? gap : "");
      }),
  );

const file = fc
  .tuple(fc.array(chain, { maxLength: 4 }), blank, fc.boolean(), fc.boolean())
  .map(([chains, gap, endsWithBreak, asCommands]) => {
    const table = chains.map((body, i) =>
      asCommands
        ? `add chain inet f c${i} { ${/type [^;\n#]*/.exec(body)?.[0] ?? ""}; policy drop; }\n`
        : `chain c${i} {${gap.startsWith("#") ? "\n" : gap}${body}\n}\n`,
    );
    const text = asCommands
      ? `add table inet f\n${gap.startsWith("#") ? gap : ""}${table.join("")}`
      : `define PRIO = 5\ntable inet f {\n${table.join("")}}\n`;
    return endsWithBreak ? text : text.trimEnd();
  });

test("integrating and taking it back gives the same bytes", () => {
  fc.assert(
    fc.property(file, (text) => {
      expect(withoutOurLines(planIntegration(text, mark).text)).toBe(text);
    }),
  );
});

test("integrating twice is integrating once", () => {
  fc.assert(
    fc.property(file, (text) => {
      const once = planIntegration(text, mark);
      const twice = planIntegration(once.text, mark);
      expect(twice.text).toBe(once.text);
      expect(twice.bare).toBe(text);
      expect(twice.chains.map((chain) => chain.state)).not.toContain("added");
    }),
  );
});

test("any text at all is read without harm", () => {
  const pieces = fc.constantFrom(
    ...'{};#"\\\n \t$'.split(""),
    "table",
    "chain",
    "x",
    "type filter hook input priority 0",
    "policy drop",
    "include",
    "add",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
      const text = parts.join(" ");
      expect(withoutOurLines(planIntegration(text, mark).text)).toBe(text);
    }),
  );
});

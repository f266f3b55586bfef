import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseInterfaceName } from "../base/interface-name.ts";
import { formatProblem } from "../model/problem-text.ts";
import { parseInventory } from "./inventory.ts";
import { parsePolicy } from "./policy.ts";
import { parseMapping, parsePeer, parseService } from "./words.ts";
import type { Problem } from "../model/problem.ts";

const fixtures = join(import.meta.dirname, "../../test/fixtures/libvirt-9");
const read = (folder: string) =>
  readdirSync(join(fixtures, folder)).map((file) =>
    readFileSync(join(fixtures, folder, file), "utf8"),
  );
const domains = read("domains");
const networks = read("networks");
const leases = read("leases");
const policy = `
host: { mark: 0x10000000, uplinks: [eth0], failsafe: [tcp/22] }
aliases: { admin: [198.51.100.0/24, "2001:db8::/32"] }
groups:
  web:
    ingress:
      - { allow: tcp/22, from: [admin, group:web], log: true, limit: 10/minute }
    egress:
      - { deny: tcp/25 }
networks:
  default: { mode: nat, nat: { address: 203.0.113.7, ports: 1024-65535 }, reach: [dmz] }
guests:
  web1:
    publish:
      - { address: 203.0.113.10, ports: [tcp/80, "tcp/2222:22", udp/5000-5010], from: [any] }
    groups: [web]
    nics: { "52:54:00:12:34:56": { address: 192.168.122.10 } }
`;

/** Bytes as a file may hold them, read as the files are. */
const anyText = fc
  .uint8Array({ maxLength: 400 })
  .map((bytes) => Buffer.from(bytes).toString("utf8"));
const tokens = fc
  .array(
    fc.constantFrom(
      ..."<>/='\"&;![]-{}:,?|*#%@\n\t \0",
      "<domain>",
      "<interface",
      "</",
      "<!--",
      "<![CDATA[",
      "guests",
      "publish",
      "ports",
      "tcp/80",
      "- ",
      ": ",
      "null",
      "&a ",
      "*a",
      "!!",
      "1e99",
      "__proto__",
      "constructor",
      "\ud800",
    ),
    { maxLength: 60 },
  )
  .map((words) => words.join(""));

/** A text with a few stretches cut out, doubled or overwritten. */
function mutated(texts: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.integer({ min: 0, max: 40 }),
    insert: fc.oneof(
      fc.constant(""),
      tokens,
      anyText.map((text) => text.slice(0, 20)),
    ),
  });
  return fc
    .tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 5 }))
    .map(([text, edits]) =>
      edits.reduce((current, { at, length, insert }) => {
        const start = Math.floor(at * current.length);
        return current.slice(0, start) + insert + current.slice(start + length);
      }, text),
    );
}

function expectSound(problems: readonly Problem[], text: string) {
  expect(problems.length).toBeLessThanOrEqual(400);
  for (const problem of problems) {
    expect(problem.at.line).toBeGreaterThanOrEqual(1);
    expect(problem.at.column).toBeGreaterThanOrEqual(1);
    expect(problem.at.line).toBeLessThanOrEqual(text.split(/\r\n|\r|\n/).length);
    // Nothing but the line breaks between its own lines may reach a terminal.
    expect(formatProblem(problem, text)).not.toMatch(/[^\P{Cc}\n]/u);
  }
}

test("no text makes the policy parser throw", () => {
  fc.assert(
    fc.property(fc.oneof(anyText, tokens, mutated([policy])), (text) => {
      const parsed = parsePolicy([{ file: "policy.yaml", text }]);
      expectSound(parsed.problems, text);
    }),
    { numRuns: 400 },
  );
});

test("no two texts make the merging of policies throw", () => {
  fc.assert(
    fc.property(mutated([policy]), mutated([policy]), (first, second) => {
      const files = [first, second].map((text, index) => ({ file: `${index}.yaml`, text }));
      expect(parsePolicy(files).policy.host.mark).toBeGreaterThan(0);
    }),
  );
});

test("a policy split over two files in any way is the same policy", () => {
  const sections = policy.trim().split(/\n(?=\w)/);
  const names = (texts: readonly string[]) => {
    const { policy: merged, problems } = parsePolicy(
      texts.map((text, index) => ({ file: `${index}.yaml`, text })),
    );
    expect(problems).toEqual([]);
    return JSON.stringify(
      [
        merged.host,
        ...[merged.aliases, merged.groups, merged.networks, merged.guests].map((map) => [...map]),
      ],
      (key, value: unknown) => (key === "at" ? undefined : value),
    );
  };
  fc.assert(
    fc.property(fc.subarray(sections), (first) => {
      const second = sections.filter((section) => !first.includes(section));
      expect(names([first.join("\n"), second.join("\n")])).toBe(names([policy]));
    }),
  );
});

test("no XML makes the inventory parser throw, and every name that can reach a ruleset is safe", () => {
  fc.assert(
    fc.property(
      fc.oneof(anyText, tokens, mutated(domains)),
      fc.oneof(tokens, mutated(networks)),
      (domain, network) => {
        const { inventory, problems } = parseInventory(
          {
            guests: [{ file: "g.xml", text: domain }],
            networks: [{ file: "n.xml", text: network }],
            leases: [],
          },
          [],
        );
        expectSound(
          problems.filter(({ at }) => at.file === "g.xml"),
          domain,
        );
        expectSound(
          problems.filter(({ at }) => at.file === "n.xml"),
          network,
        );
        const interfaces = [
          ...inventory.networks.map(({ bridge }) => bridge),
          ...inventory.guests.flatMap(({ nics }) =>
            nics.flatMap(({ tap, bridge }) => [tap, bridge]),
          ),
        ];
        for (const name of interfaces) {
          if (name !== undefined) expect(parseInterfaceName(name)).toBe(name);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("a broken guest takes no other guest along", () => {
  fc.assert(
    fc.property(fc.oneof(anyText, tokens), (text) => {
      const whole = domains.map((domain, index) => ({ file: `${index}.xml`, text: domain }));
      const { inventory } = parseInventory(
        { guests: [{ file: "bad.xml", text }, ...whole], networks: [], leases: [] },
        [],
      );
      expect(inventory.guests.length).toBeGreaterThanOrEqual(whole.length);
    }),
    { numRuns: 50 },
  );
});

test("no lease file makes the lease parser throw", () => {
  const json = fc.json({ maxDepth: 4 });
  fc.assert(
    fc.property(fc.oneof(anyText, json, mutated(leases)), (text) => {
      const file = { file: "virbr0.status", text };
      const { inventory } = parseInventory({ guests: [], networks: [], leases: [file] }, []);
      for (const lease of inventory.leases) expect(lease.bridge).toBe("virbr0");
    }),
    { numRuns: 300 },
  );
});

test("no word makes the word parsers throw, and a refusal has a message", () => {
  const word = fc.string({
    unit: fc.constantFrom(..."tcpudi/-:,0123456789.anyg\0\n*"),
    maxLength: 24,
  });
  fc.assert(
    fc.property(fc.oneof(anyText, word), (text) => {
      for (const parsed of [parseService(text), parseMapping(text), parsePeer(text)]) {
        if (!parsed.ok) expect(parsed.message).not.toBe("");
      }
    }),
    { numRuns: 1000 },
  );
});

test("a mapping is read as it is written", () => {
  const port = fc.integer({ min: 1, max: 60_000 });
  fc.assert(
    fc.property(port, port, fc.integer({ min: 0, max: 5000 }), (first, guest, more) => {
      const range = (start: number) => (more === 0 ? `${start}` : `${start}-${start + more}`);
      expect(parseMapping(`udp/${range(first)}:${range(guest)}`)).toEqual({
        ok: true,
        value: {
          protocol: "udp",
          public: { first, last: first + more },
          guest: { first: guest, last: guest + more },
        },
      });
    }),
  );
});

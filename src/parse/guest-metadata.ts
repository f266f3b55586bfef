import { append } from "../base/append.ts";
import { quote } from "../base/quote.ts";
import { policyOf } from "./policy.ts";
import { duplicate } from "./policy-yaml.ts";
import type { GuestPolicy } from "../model/policy.ts";
import type { Place, Problem } from "../model/problem.ts";
import type { MapEntry, Tree } from "./tree.ts";
import type { Xml } from "./xml.ts";

/** The namespace of what a guest's own XML says for virtwall. It is a name: nothing is ever fetched from there. */
export const guestNamespace = "https://virtwall.dev/guest/1";

/** What a later version says is not passed over: it may forbid something. */
const everyNamespace = "https://virtwall.dev/";
/** A guest with a thousand publications has 100 KB. */
const maxLength = 1024 * 1024;
/** In messages as in the XML. */
const rootName = "guest";

/**
 * The `<guest>` element in a guest's `<metadata>`: the same keys as under `guests.NAME` of a policy file, as elements. It can say
 * nothing of anything else. With problems it holds what could be read and must not be applied.
 */
export function parseGuestMetadata(
  metadata: Xml | undefined,
  guestName: string,
): { own: GuestPolicy | undefined; problems: Problem[] } {
  const [first, second] = (metadata?.elements() ?? []).filter((element) =>
    element.namespace()?.startsWith(everyNamespace),
  );
  if (first === undefined) return { own: undefined, problems: [] };
  if (second !== undefined) {
    return unread(second.at, "the metadata holds more than one element of virtwall's");
  }
  const namespace = first.namespace() ?? "";
  return namespace === guestNamespace
    ? parseGuestElement(first, guestName)
    : unread(first.at, `${quote(namespace)} is not known here, only ${guestNamespace}`);
}

/** The `<guest>` element itself. */
export function parseGuestElement(
  root: Xml,
  guestName: string,
): { own: GuestPolicy | undefined; problems: Problem[] } {
  if (root.localName !== rootName) {
    return unread(root.at, `${quote(root.localName)} is not <${rootName}>`);
  }
  if (root.range.end - root.range.start > maxLength) {
    return unread(root.at, `the metadata is larger than ${maxLength} characters`);
  }
  const builder = new TreeBuilder(root.namespace());
  const entries = new Map([[rootName, { keyAt: root.at, value: builder.guest(root) }]]);
  const guests: Tree = { kind: "map", at: root.at, entries };
  const { policy, problems } = policyOf({
    kind: "map",
    at: root.at,
    entries: new Map([["guests", { keyAt: root.at, value: guests }]]),
  });
  append(problems, builder.problems);
  const said = policy.guests.get(rootName);
  return { own: said && inGuest(said, guestName), problems };
}

function inGuest(said: GuestPolicy, name: string): GuestPolicy {
  return {
    ...said,
    name,
    publish: said.publish.map((publication) => ({ ...publication, inGuest: true })),
    nics: new Map([...said.nics].map(([mac, nic]) => [mac, { ...nic, inGuest: true }])),
  };
}

function unread(at: Place, message: string): { own: undefined; problems: Problem[] } {
  return { own: undefined, problems: [fault("BAD_METADATA", at, message)] };
}

function fault(code: string, at: Place, message: string): Problem {
  return { code, severity: "error", at, message };
}

/** Elements as the tree that YAML would give: an element is a key, elements of one name are a list. */
class TreeBuilder {
  readonly problems: Problem[] = [];
  private readonly namespace: string | undefined;

  constructor(namespace: string | undefined) {
    this.namespace = namespace;
  }

  guest(xml: Xml): Tree {
    return this.value(xml, (key, elements) => {
      const [first] = elements;
      if (key === "nics") return this.nics(elements);
      if (key === "publish") return this.list(elements);
      return key === "required" && first !== undefined && elements.length === 1
        ? booleanOf(this.value(first))
        : this.one(elements);
    });
  }

  private one(elements: readonly Xml[]): Tree {
    const [first] = elements;
    return first !== undefined && elements.length === 1 ? this.value(first) : this.list(elements);
  }

  private list(elements: readonly Xml[]): Tree {
    const items = elements.map((element) => this.value(element));
    return { kind: "list", at: items[0]?.at ?? { file: "", line: 1, column: 1 }, items };
  }

  /** By their attribute `mac`. */
  private nics(elements: readonly Xml[]): Tree {
    const entries = new Map<string, MapEntry>();
    for (const element of elements) {
      const mac = element.attribute("mac");
      const before = mac === undefined ? undefined : entries.get(mac);
      if (mac === undefined || mac === "__proto__") {
        this.problems.push(fault("MISSING_KEY", element.at, "<nics> has no attribute 'mac'"));
      } else if (before !== undefined) {
        this.problems.push(duplicate(mac, element.at, before.keyAt));
      } else {
        entries.set(mac, { keyAt: element.at, value: this.value(element, undefined, ["mac"]) });
      }
    }
    return { kind: "map", at: elements[0]?.at ?? { file: "", line: 1, column: 1 }, entries };
  }

  private value(
    xml: Xml,
    valueOf = (_key: string, elements: readonly Xml[]): Tree => this.one(elements),
    attributes: readonly string[] = [],
  ): Tree {
    const { at } = xml;
    for (const name of xml.attributeNames().filter((name) => !attributes.includes(name))) {
      this.unknown(`attribute ${quote(name)}`, xml);
    }
    const elements = xml.elements();
    if (elements.length === 0) {
      const text = xml.text();
      return { kind: "scalar", at, value: text === "" ? null : text, source: text };
    }
    if (xml.hasText()) this.problems.push(fault("BAD_METADATA", at, "text beside elements"));
    const keys = new Map<string, Xml[]>();
    for (const element of elements) {
      const key = element.localName;
      if (element.namespace() !== this.namespace || key === "__proto__") {
        this.unknown(`element <${element.name.slice(0, 100)}>`, element);
        continue;
      }
      const same = keys.get(key);
      if (same === undefined) keys.set(key, [element]);
      else same.push(element);
    }
    const entries = [...keys].map(([key, same]) => {
      return [key, { keyAt: same[0]?.at ?? at, value: valueOf(key, same) }] as const;
    });
    return { kind: "map", at, entries: new Map(entries) };
  }

  private unknown(what: string, { at }: Xml): void {
    this.problems.push(fault("UNKNOWN_KEY", at, `unknown ${what} in the guest's metadata`));
  }
}

/** XML has no types: what it may say of `required` is known by its name. */
function booleanOf(tree: Tree): Tree {
  if (tree.kind !== "scalar") return tree;
  if (tree.value === "true") return { ...tree, value: true };
  return tree.value === "false" ? { ...tree, value: false } : tree;
}

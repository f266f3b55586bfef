import { usualChainPriority } from "../model/filter-chain.ts";
import { completedBy } from "../model/filter-protocols.ts";
import { literalText } from "./filter-value.ts";
import type {
  Filter,
  FilterMatch,
  FilterParameters,
  FilterReference,
  FilterRule,
} from "../model/filter.ts";

/**
 * The filter as `virsh nwfilter-dumpxml` shows it (virNWFilterDefFormat, libvirt 11.3), and every filter is read back as it is.
 * libvirt never shows a priority of 0, and forgets one that is not the usual one of the chain.
 */
export function printFilterXml(filter: Filter): string {
  const { name, uuid, chain } = filter;
  const priority = filter.priority ?? (usualChainPriority(chain) || undefined);
  const head = attributes([
    ["name", name],
    ["chain", chain],
    ["priority", priority?.toString()],
  ]);
  const lines = [
    `<filter${head}>`,
    ...(uuid === undefined ? [] : [`  <uuid>${uuid}</uuid>`]),
    ...filter.entries
      .flatMap((entry) => (entry.kind === "rule" ? ruleLines(entry) : referenceLines(entry)))
      .map((line) => `  ${line}`),
    "</filter>",
  ];
  return `${lines.join("\n")}\n`;
}

function ruleLines(rule: FilterRule): string[] {
  const head = attributes([
    ["action", rule.action],
    ["direction", rule.direction],
    ["priority", String(rule.priority)],
    ["statematch", rule.isStateless ? "false" : undefined],
  ]);
  if (rule.protocol === undefined) return [`<rule${head}/>`];
  const elements = elementsOf(rule).map((words) => `  <${rule.protocol}${attributes(words)}/>`);
  return [`<rule${head}>`, ...elements, "</rule>"];
}

type Words = (readonly [name: string, text: string | undefined])[];

/** One element is negated as a whole, so what matches stands in one and what shall not in another (libvirt 11.3; 9.0 mixes them). */
function elementsOf({ matches, comment }: FilterRule): Words[] {
  const wordsOf = (isNegated: boolean): Words =>
    matches
      .filter((match) => signIn(matches, match) === isNegated)
      .map((match) => [match.attribute, valueText(match.value)]);
  const [plain, negated] = [wordsOf(false), wordsOf(true)];
  const elements: Words[] = negated.length === 0 ? [] : [[["match", "no"], ...negated]];
  if (plain.length > 0 || elements.length === 0) elements.unshift(plain);
  if (comment !== undefined) elements[0]?.push(["comment", comment]);
  return elements;
}

/** What completes another stands with it. */
function signIn(matches: readonly FilterMatch[], match: FilterMatch): boolean {
  const holder = isOfType(match) ? "type" : completedBy.get(match.attribute);
  const bearer = matches.find(({ attribute }) => attribute === holder);
  return bearer === undefined ? match.isNegated : bearer.isNegated;
}

function isOfType({ attribute }: FilterMatch): boolean {
  return attribute === "typeend" || attribute === "code" || attribute === "codeend";
}

function valueText(value: FilterMatch["value"]): string {
  if (value.kind === "literal") return literalText(value);
  if (value.element !== undefined) return `$${value.name}[${value.element}]`;
  return (value.iterator ?? 0) === 0 ? `$${value.name}` : `$${value.name}[@${value.iterator}]`;
}

function referenceLines({ filter, parameters }: FilterReference): string[] {
  const head = `<filterref${attributes([["filter", filter]])}`;
  if (parameters.size === 0) return [`${head}/>`];
  return [`${head}>`, ...parameterLines(parameters).map((line) => `  ${line}`), "</filterref>"];
}

/** libvirt sorts them by name. */
function parameterLines(parameters: FilterParameters): string[] {
  return [...parameters]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, values]) =>
      values.map(
        (value) =>
          `<parameter${attributes([
            ["name", name],
            ["value", value],
          ])}/>`,
      ),
    );
}

function attributes(words: Words): string {
  return words
    .flatMap(([name, text]) => (text === undefined ? [] : [` ${name}='${escape(text)}'`]))
    .join("");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "'": "&apos;",
  '"': "&quot;",
};

/** White space but the blank has to be named, or a reader makes blanks of it. */
function escape(text: string): string {
  return text.replace(/[&<>'"\t\n\r]/g, (char) => entities[char] ?? `&#${char.charCodeAt(0)};`);
}

import { z } from "zod";
import { defined } from "../base/defined.ts";
import { nearest } from "../base/nearest.ts";
import { quote } from "../base/quote.ts";
import { policySchema } from "./policy-schema.ts";
import { keyPlace, walk } from "./tree.ts";
import type { Place, Problem } from "../model/problem.ts";
import type { Tree, TreePath } from "./tree.ts";

type Issue = z.core.$ZodIssue;

/** A problem, and the part of the tree that goes so that the rest can be read. */
export interface TreeFault {
  readonly problem: Problem;
  readonly path: TreePath;
}

/** Keys that other tools have in the place of ours, or that stand one rule away. */
const synonyms: Readonly<Record<string, string>> = {
  from: "to",
  to: "from",
  port: "ports",
  source: "from",
  sources: "from",
  domains: "guests",
  vms: "guests",
  forward: "publish",
  forwards: "publish",
  accept: "allow",
  drop: "deny",
  reject: "deny",
  addresses: "address",
  ip: "address",
};

export function faultsOf(issue: Issue, tree: Tree, base: TreePath = []): TreeFault[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === "symbol" ? "" : step))];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey([...path, key], tree));
    case "invalid_union": {
      const branch = branchFor(issue.errors);
      if (branch === undefined) return [wrongOrMissing(path, tree)];
      return branch.flatMap((inner) => faultsOf(inner, tree, path));
    }
    case "invalid_key":
      return issue.issues.map((inner) =>
        fault(path, keyPlace(tree, path), textOf(inner, "BAD_NAME")),
      );
    case "invalid_type":
      return [wrongOrMissing(path, tree)];
    case "invalid_value":
      return [wrongWord(path, tree, issue.values.map(String))];
    default:
      return [fault(path, walk(tree, path).tree.at, textOf(issue, "BAD_VALUE"))];
  }
}

/** Of a union's branches the one that took the value's outer type, which is where the mistake is. */
function branchFor(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find(
    (branch) => !branch.some((issue) => issue.code === "invalid_type" && issue.path.length === 0),
  );
}

function unknownKey(path: TreePath, tree: Tree): TreeFault {
  const key = String(path.at(-1));
  const schema = schemaAt(policySchema, path.slice(0, -1));
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const synonym = synonyms[key.toLowerCase()];
  const meant =
    nearest(key, known) ?? (synonym !== undefined && known.includes(synonym) ? synonym : undefined);
  return fault(path, keyPlace(tree, path), {
    code: "UNKNOWN_KEY",
    message: `unknown key ${quote(key)}${parentName(path)}`,
    hint: meant === undefined ? `keys here: ${known.join(", ")}` : `did you mean '${meant}'?`,
  });
}

function wrongOrMissing(path: TreePath, tree: Tree): TreeFault {
  const found = walk(tree, path);
  return found.complete ? wrongType(path, tree) : missingKey(path, found.tree.at);
}

function missingKey(path: TreePath, at: Place): TreeFault {
  return fault(path.slice(0, -1), at, {
    code: "MISSING_KEY",
    message: `${quote(String(path.at(-1)))} is missing${parentName(path)}`,
    hint: exampleHint(path),
  });
}

function wrongType(path: TreePath, tree: Tree): TreeFault {
  const value = walk(tree, path).tree;
  const schema = schemaAt(policySchema, path);
  const expected = typeName(schema);
  const name = path.length === 0 ? "the policy" : nameOf(path);
  return fault(path, value.at, {
    code: "BAD_TYPE",
    message: `${name} is ${expected}, not ${described(value)}`,
    hint: typeHint(path, value, schema),
  });
}

function wrongWord(path: TreePath, tree: Tree, words: readonly string[]): TreeFault {
  const value = walk(tree, path).tree;
  const meant = value.kind === "scalar" ? nearest(value.source, words) : undefined;
  return fault(path, value.at, {
    code: "BAD_VALUE",
    message: `${nameOf(path)} cannot be ${described(value)}`,
    hint: meant === undefined ? `one of ${words.join(", ")}` : `did you mean '${meant}'?`,
  });
}

function textOf(
  issue: Issue,
  code: string,
): { code: string; message: string; hint: string | undefined } {
  const params: unknown = issue.code === "custom" ? issue.params : undefined;
  const hint = (params as { hint?: string } | undefined)?.hint;
  return { code, message: issue.message, hint };
}

function typeHint(path: TreePath, value: Tree, schema: z.ZodType | undefined): string | undefined {
  if (schema instanceof z.ZodBoolean && value.kind === "scalar") {
    if (/^(yes|on|y)$/i.test(value.source)) return "write true";
    if (/^(no|off|n)$/i.test(value.source)) return "write false";
  }
  const example = examplesAt(path)[0];
  if (example === undefined) return ruleHint(value, schema) ?? mappingHint(value, schema);
  if (value.kind === "scalar" && typeof value.value === "number" && example.startsWith("tcp/")) {
    return `write tcp/${value.source}`;
  }
  return exampleHint(path);
}

/** A publication or a rule without its list around it, or one that is no more than its first word. */
function ruleHint(value: Tree, schema: z.ZodType | undefined): string | undefined {
  const isList = schema instanceof z.ZodArray;
  if (isList && value.kind === "map") return "put it into a list: [{ … }], or '- ' before it";
  const rule = isList ? schema.element : schema;
  if (!(rule instanceof z.ZodObject) || value.kind !== "scalar") return undefined;
  const key = ["ports", "allow"].find((each) => each in rule.shape);
  if (key === undefined || !value.source.includes("/")) return undefined;
  const written = `{ ${key}: ${value.source} }`;
  return `write ${isList ? `[${written}]` : written}`;
}

/** A list or a word where each thing stands under its name, or under the key that says what it is. */
function mappingHint(value: Tree, schema: z.ZodType | undefined): string | undefined {
  if (schema instanceof z.ZodObject) return `keys here: ${Object.keys(schema.shape).join(", ")}`;
  if (!(schema instanceof z.ZodRecord)) return undefined;
  const first = (value.kind === "list" ? value.items : [value]).map(nameIn).find(Boolean);
  const inside = unwrap(schema.valueType);
  const [example] = examplesOf(inside);
  const name = first ?? examplesOf(unwrap(schema.keyType))[0] ?? "NAME";
  return `write each by its name, as in ${name}: ${example ?? "{ … }"}`;
}

/** What a thing of a list is called, where that can be a key as it stands. */
function nameIn(item: Tree): string | undefined {
  const named = item.kind === "map" ? item.entries.get("name")?.value : item;
  const text = named?.kind === "scalar" ? named.source : "";
  return /^[\w.-]{1,40}$/.test(text) ? text : undefined;
}

function exampleHint(path: TreePath): string | undefined {
  const examples = examplesAt(path);
  return examples.length === 0 ? undefined : `write it like ${examples.slice(0, 3).join(" or ")}`;
}

function examplesAt(path: TreePath): string[] {
  return examplesOf(schemaAt(policySchema, path));
}

function examplesOf(schema: z.core.$ZodType | undefined): string[] {
  const examples: unknown = schema instanceof z.ZodType && schema.meta()?.["examples"];
  return Array.isArray(examples) ? examples.map(String) : [];
}

function described(tree: Tree): string {
  if (tree.kind === "map") return "a mapping";
  if (tree.kind === "list") return "a list";
  if (tree.value === null) return "empty";
  const kind = typeof tree.value === "string" ? "" : `the ${typeof tree.value} `;
  return `${kind}${quote(tree.source)}`;
}

function typeName(schema: z.core.$ZodType | undefined): string {
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return "a mapping";
  if (schema instanceof z.ZodArray) return "a list";
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(", ")}`;
  return "a word";
}

function nameOf(path: TreePath): string {
  const last = path.at(-1);
  if (typeof last !== "number") return quote(String(last));
  return `number ${last + 1} of ${quote(String(path.at(-2)))}`;
}

function parentName(path: TreePath): string {
  return path.length < 2
    ? ""
    : ` in ${path.length === 2 ? quote(String(path[0])) : nameOf(path.slice(0, -1))}`;
}

/** The definition that holds for the value at the path; of a union the branch for one element, unless the path goes on into a list. */
function schemaAt(root: z.core.$ZodType, path: TreePath): z.ZodType | undefined {
  let schema = unwrap(root);
  for (const step of path) {
    let next: z.core.$ZodType | undefined;
    if (schema instanceof z.ZodObject) next = (schema.shape as Record<string, z.ZodType>)[step];
    else if (schema instanceof z.ZodRecord) next = schema.valueType;
    else if (schema instanceof z.ZodArray) next = schema.element;
    else if (typeof step === "number") next = schema;
    if (next === undefined) return undefined;
    schema = unwrap(next);
  }
  return schema instanceof z.ZodType ? schema : undefined;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable)
    return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  if (schema instanceof z.ZodUnion) return schema.options[0] ? unwrap(schema.options[0]) : schema;
  return schema;
}

function fault(
  path: TreePath,
  at: Place,
  text: { code: string; message: string; hint?: string | undefined },
): TreeFault {
  return { path, problem: { severity: "error", at, ...defined(text) } };
}

import type { ZodType } from "zod";
import { append } from "../base/append.ts";
import { rememberedWhile } from "../base/remembered.ts";
import { capProblems, sortProblems } from "../model/problem-list.ts";
import { placeText } from "../model/problem-text.ts";
import { buildGuest, buildPolicy } from "./policy-build.ts";
import { faultsOf } from "./policy-issues.ts";
import { mergeTrees } from "./policy-merge.ts";
import { guestsSchema, policySchema, type PolicyData } from "./policy-schema.ts";
import type { ParsedText, ParsedTexts } from "./parsed-text.ts";
import { parseYaml } from "./policy-yaml.ts";
import { parseInPieces, reparseYaml } from "./reparse-yaml.ts";
import { isNull, plainOf, walk, without } from "./tree.ts";
import type { GuestPolicy, Policy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { TreeFault } from "./policy-issues.ts";
import type { MapEntry, Tree } from "./tree.ts";

interface ParsedPolicy {
  readonly policy: Policy;
  readonly problems: readonly Problem[];
  /** Those of the files that are YAML without a mistake. */
  readonly parsedTexts: readonly ParsedText[];
}

/** Mistakes inside each other's reach: a policy nests less deep than this. */
const maxRounds = 20;

/**
 * All files as one policy: mappings merge deeply, anything else given twice is a problem. With errors the policy holds what could
 * be read, so that more can be checked; it must not be applied, since what was left out may be what denies. Of texts that are
 * `known` only what has changed is read as YAML again.
 */
export function parsePolicy(files: readonly SourceText[], known?: ParsedTexts): ParsedPolicy {
  const problems: Problem[] = [];
  const parsedTexts: ParsedText[] = [];
  let tree: Tree = emptyTree(files[0]?.file ?? "policy");
  for (const file of files) {
    const before = known?.get(file.file);
    const parsed = parseFile(file, before);
    append(problems, parsed.problems);
    if (parsed.tree === undefined) continue;
    if (parsed.problems.length === 0) parsedTexts.push({ source: file, tree: parsed.tree });
    if (parsed.tree.kind !== "map" && !isNull(parsed.tree)) {
      append(problems, takeWhatFits(parsed.tree).problems);
      continue;
    }
    const merged = mergeTrees(tree, parsed.tree, "the policy");
    tree = merged.tree;
    append(problems, merged.problems);
  }
  const { policy, problems: faults } = policyOf(tree);
  append(problems, faults);
  const names = files.map(({ file }) => file);
  return { policy, problems: capProblems(sortProblems(problems, names)), parsedTexts };
}

function parseFile(
  file: SourceText,
  before: ParsedText | undefined,
): { tree: Tree | undefined; problems: readonly Problem[] } {
  const tree = treeBy(file, before);
  return tree === undefined ? parseYaml(file) : { tree, problems: [] };
}

function treeBy(file: SourceText, before: ParsedText | undefined): Tree | undefined {
  if (before === undefined) return parseInPieces(file);
  return before.source.text === file.text ? before.tree : reparseYaml(file, before);
}

/** The policy that a tree holds, wherever its text came from; with problems it is what could be read. */
export function policyOf(tree: Tree): { policy: Policy; problems: Problem[] } {
  const sound = soundPolicyOf(tree);
  if (sound !== undefined) return { policy: sound, problems: [] };
  const taken = takeWhatFits(tree);
  return { policy: buildPolicy(taken.data, taken.tree), problems: taken.problems };
}

/** Of a tree without a mistake. Guest by guest, so that what follows from a guest's entry is remembered by that. */
function soundPolicyOf(tree: Tree): Policy | undefined {
  const guests = tree.kind === "map" ? tree.entries.get("guests")?.value : undefined;
  if (guests?.kind !== "map") return undefined;
  const rest = without(tree, [["guests"]]);
  const judged = judge(policySchema, plainOf(rest));
  if (!judged?.success) return undefined;
  const policies = new Map<string, GuestPolicy>();
  // As an object has them: names that are numbers first.
  for (const [name, entry] of Object.entries(Object.fromEntries(guests.entries))) {
    const policy = soundGuest(entry, name);
    if (policy === undefined) return undefined;
    policies.set(name, policy);
  }
  return { ...buildPolicy(judged.data, rest), guests: policies };
}

const soundGuest = rememberedWhile(
  (_entry: MapEntry, name: string) => [name],
  (entry, name): GuestPolicy | undefined => {
    const judged = judge(guestsSchema, { [name]: plainOf(entry.value) });
    return judged?.success ? buildGuest(judged.data[name], name, entry) : undefined;
  },
);

/** Judges the tree, takes out what is wrong and judges the rest, until all that is left fits the schema. */
function takeWhatFits(whole: Tree): { data: PolicyData; tree: Tree; problems: Problem[] } {
  const problems: Problem[] = [];
  const mutilated = new Set<string>();
  let tree = whole;
  for (let round = 0; round < maxRounds; round++) {
    const result = judge(policySchema, plainOf(tree));
    if (result === undefined) {
      problems.push(tooManyMistakes(whole));
      break;
    }
    if (result.success) return { data: result.data, tree, problems };
    const faults = result.error.issues.flatMap((issue) => faultsOf(issue, tree));
    // What we took out ourselves is not missed a second time.
    const fresh = faults.filter(({ path }) => !mutilated.has(placeKey(tree, path)));
    append(
      problems,
      fresh.map(({ problem }) => problem),
    );
    for (const fault of faults) {
      if (fault.problem.code !== "UNKNOWN_KEY")
        mutilated.add(placeKey(tree, fault.path.slice(0, -1)));
    }
    tree = takeOut(tree, faults);
  }
  return { data: {}, tree: emptyTree(whole.at.file), problems };
}

/** zod 4.6 spreads lists of issues as arguments, and a hundred thousand of them overflow the stack: undefined. */
function judge<Data>(
  schema: ZodType<Data>,
  value: unknown,
): ReturnType<ZodType<Data>["safeParse"]> | undefined {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function tooManyMistakes(tree: Tree): Problem {
  return {
    code: "TOO_MANY_MISTAKES",
    severity: "error",
    at: tree.at,
    message: "the policy has more mistakes than can be told",
  };
}

function takeOut(tree: Tree, faults: readonly TreeFault[]): Tree {
  return faults.some(({ path }) => path.length === 0)
    ? emptyTree(tree.at.file)
    : without(
        tree,
        faults.map(({ path }) => path),
      );
}

function placeKey(tree: Tree, path: TreeFault["path"]): string {
  return placeText(walk(tree, path).tree.at);
}

function emptyTree(file: string): Tree {
  return { kind: "map", at: { file, line: 1, column: 1 }, entries: new Map() };
}

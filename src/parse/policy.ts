import { capProblems, sortProblems } from "../model/problem-list.ts";
import { buildPolicy } from "./policy-build.ts";
import { faultsOf } from "./policy-issues.ts";
import { mergeTrees } from "./policy-merge.ts";
import { policySchema, type PolicyData } from "./policy-schema.ts";
import { parseYaml } from "./policy-yaml.ts";
import { isNull, plainOf, walk, without } from "./tree.ts";
import type { Policy } from "../model/policy.ts";
import type { Problem } from "../model/problem.ts";
import type { SourceText } from "../model/source-text.ts";
import type { TreeFault } from "./policy-issues.ts";
import type { Tree } from "./tree.ts";

/** Mistakes inside each other's reach: a policy nests less deep than this. */
const maxRounds = 20;

/**
 * All files as one policy: mappings merge deeply, anything else given twice is a problem. With errors the policy holds what could
 * be read, so that more can be checked; it must not be applied, since what was left out may be what denies.
 */
export function parsePolicy(files: readonly SourceText[]): { policy: Policy; problems: Problem[] } {
  const problems: Problem[] = [];
  let tree: Tree = emptyTree(files[0]?.file ?? "policy");
  for (const file of files) {
    const parsed = parseYaml(file);
    problems.push(...parsed.problems);
    if (parsed.tree === undefined) continue;
    if (parsed.tree.kind !== "map" && !isNull(parsed.tree)) {
      problems.push(...takeWhatFits(parsed.tree).problems);
      continue;
    }
    const merged = mergeTrees(tree, parsed.tree, "the policy");
    tree = merged.tree;
    problems.push(...merged.problems);
  }
  const taken = takeWhatFits(tree);
  problems.push(...taken.problems);
  const names = files.map(({ file }) => file);
  return {
    policy: buildPolicy(taken.data, taken.tree),
    problems: capProblems(sortProblems(problems, names)),
  };
}

/** Judges the tree, takes out what is wrong and judges the rest, until all that is left fits the schema. */
function takeWhatFits(whole: Tree): { data: PolicyData; tree: Tree; problems: Problem[] } {
  const problems: Problem[] = [];
  const mutilated = new Set<string>();
  let tree = whole;
  for (let round = 0; round < maxRounds; round++) {
    const result = policySchema.safeParse(plainOf(tree));
    if (result.success) return { data: result.data, tree, problems };
    const faults = result.error.issues.flatMap((issue) => faultsOf(issue, tree));
    // What we took out ourselves is not missed a second time.
    const fresh = faults.filter(({ path }) => !mutilated.has(placeKey(tree, path)));
    problems.push(...fresh.map(({ problem }) => problem));
    for (const fault of faults) {
      if (fault.problem.code !== "UNKNOWN_KEY")
        mutilated.add(placeKey(tree, fault.path.slice(0, -1)));
    }
    tree = takeOut(tree, faults);
  }
  return { data: {}, tree: emptyTree(whole.at.file), problems };
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
  const { at } = walk(tree, path).tree;
  return `${at.file}:${at.line}:${at.column}`;
}

function emptyTree(file: string): Tree {
  return { kind: "map", at: { file, line: 1, column: 1 }, entries: new Map() };
}

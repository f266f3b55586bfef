import type { SourceText } from "../model/source-text.ts";
import type { Examination, Finding } from "./examination.ts";

/**
 * A file that a firewall loads and that holds our tables, as `nft list ruleset` saves them: in owner mode the kernel refuses the whole
 * file, the admin's own tables included; in restore mode it brings back guests of long ago.
 */
export const savedRuleset: Examination<"rulesetFiles"> = {
  id: "saved-ruleset",
  needs: ["rulesetFiles"],
  examine: ({ rulesetFiles }) => rulesetFiles.flatMap(finding),
};

const table = /^\s*(?:add\s+)?table\s+(inet|bridge)\s+virtwall\b/;

function finding({ file, text }: SourceText): readonly Finding[] {
  const lines = text.split("\n");
  const evidence = lines.flatMap((line, index) =>
    table.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [],
  );
  if (evidence.length === 0) return [];
  return [
    {
      severity: "error",
      message: `${file} holds tables of virtwall: it may not load at all`,
      evidence,
      fix: { text: `take the tables virtwall out of ${file}` },
    },
  ];
}

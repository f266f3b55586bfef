import { readForwards } from "../import/read-forwards.ts";
import type { SourceText } from "../model/source-text.ts";
import type { Examination, Finding } from "./examination.ts";
import { shellWord } from "../base/shell-word.ts";

/**
 * Scripts in libvirt's hooks that forward ports by themselves: beside our publications they are a second, older truth. libvirt refuses to
 * start a guest whose script was there when libvirt started and is gone (11.3 virhook.c), so the script stays.
 */
export const classicHooks: Examination<"hooks"> = {
  id: "classic-hooks",
  needs: ["hooks"],
  examine: ({ hooks }) => hooks.others.flatMap(finding),
};

function finding(source: SourceText): readonly Finding[] {
  const found = readForwards(source);
  const places = [...(found?.forwards ?? []), ...(found?.notCarried ?? [])];
  if (places.length === 0) return [];
  const lines = [...new Set(places.map(({ at }) => at.line))].toSorted((a, b) => a - b);
  const { file } = source;
  const word = shellWord(file);
  return [
    {
      severity: "warning",
      message: `the hook ${file} forwards ports to guests by itself`,
      evidence: lines.map((line) => `${file}:${line}`),
      fix: {
        text: `virtwall import ${word} > /etc/virtwall/policy.d/imported.yaml; then take the forwards out of it`,
      },
    },
  ];
}

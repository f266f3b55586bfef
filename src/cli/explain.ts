import { follow } from "../explain/answer.ts";
import { fixOf } from "../explain/fix.ts";
import type { FlowState } from "../explain/question.ts";
import { exitStatus, type ExitStatus, UsageError } from "./exit-status.ts";
import { type MissingGuest, readQuestion, type Words } from "./explain-words.ts";
import { doubtLegacy, readGround, type ReadGround } from "./ground.ts";
import { printJson, type Output } from "./output.ts";
import { type FixedAnswer, printAnswer } from "./print-answer.ts";

import { type ReadKnowledge, readKnowledge } from "./read-knowledge.ts";
import { demandRoot, type Settings } from "./settings.ts";

export interface Asked {
  readonly words: Words;
  readonly iif?: string;
  readonly state?: FlowState;
}

/** `--state`; a path is that of the state's folder, of which there is no need here. */
export function readFlowState(word: unknown): FlowState {
  if (word === "new" || word === "established") return word;
  if (typeof word === "string" && !word.includes("/")) {
    throw new UsageError(`${word} is no state of a flow; say new or established`);
  }
  return "new";
}

/** Exit status 0 only where the flow arrives, and its answer comes back. */
export async function runExplain(
  settings: Settings,
  output: Output,
  asked: Asked,
): Promise<ExitStatus> {
  demandRoot("explain");
  const { words, ...how } = asked;
  const namesGuest = [words.from, words.to].some((end) => end.startsWith("guest:"));
  const knowledge = await readKnowledge(settings, namesGuest);
  const ground = await readGround(knowledge.nics);
  const answer = answerWords(asked, knowledge, ground);
  if (settings.json) printJson(output, { question: { ...words, state: "new", ...how }, ...answer });
  else output.out(printAnswer(answer, words));
  return answer.verdict === "delivered" ? exitStatus.ok : exitStatus.problems;
}

function answerWords(asked: Asked, knowledge: ReadKnowledge, ground: ReadGround): FixedAnswer {
  const question = readQuestion(asked, { ground, ...knowledge });
  if ("guest" in question) return answerMissing(question);
  const followed = follow(ground, question);
  if (ground.unlisted.length > 0) {
    const answer = doubtLegacy(followed.answer, ground.unlisted);
    return { ...answer, fix: "install iptables, whose iptables-legacy-save lists them" };
  }
  const fix = fixOf(ground, question, { followed, knowledge });
  return { ...followed.answer, ...(fix !== undefined && { fix }) };
}

function answerMissing({ guest, mac }: MissingGuest): FixedAnswer {
  const rest = { way: "there", path: [] } as const;
  return mac === undefined
    ? { verdict: "lost", detail: `${guest} does not run`, fix: `virsh start ${guest}`, ...rest }
    : {
        verdict: "unknown",
        detail: `no address of ${guest} is known`,
        fix: `guests: { ${guest}: { nics: { "${mac}": { address: ADDRESS } } } }`,
        ...rest,
      };
}

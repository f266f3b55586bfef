import { defined } from "../base/defined.ts";
import { readRuleFiles } from "../edge/files/rule-files.ts";
import { readTrackedFlows } from "../edge/host/read-tracked-flows.ts";
import { askDaemon } from "../edge/socket/daemon-client.ts";
import { follow, type Followed } from "../explain/answer.ts";
import { fixOf } from "../explain/fix.ts";
import { type Called, hiddenBy, shadowOf } from "../explain/shadowed.ts";
import { guestKey, guestWord } from "../explain/guest-word.ts";
import { originOf } from "../explain/origin.ts";
import type { FlowState } from "../explain/question.ts";
import {
  flowsOf,
  goingOn,
  isLedElsewhere,
  mayBeTracked,
  parseTrackedFlows,
  wordsOfLeftover,
} from "../explain/tracked-flows.ts";
import { noDaemon } from "./events.ts";
import { exitStatus, RefusedError, type ExitStatus, UsageError } from "./exit-status.ts";
import { type Asked, type MissingGuest, readQuestion } from "./explain-words.ts";
import { doubtLegacy, readGround, type ReadGround } from "./ground.ts";
import { printJson, type Output } from "./output.ts";
import { type FixedAnswer, printAnswer } from "./print-answer.ts";

import { type ReadKnowledge, readKnowledge } from "./read-knowledge.ts";
import type { Settings } from "./settings.ts";

/** What `--state` says; a path is that of the state's folder, of which there is no need here. */
export function readFlowState(word: string): FlowState {
  if (word === "new" || word === "established") return word;
  if (!word.includes("/")) {
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
  if (process.getuid?.() !== 0) return askRootsAnswer(settings, output, asked);
  const { words, ...how } = asked;
  const namesGuest = [words.from, words.to].some((end) => end.startsWith("guest:"));
  const reading = readKnowledge(settings, namesGuest);
  const ground = await readGround(reading.then(({ nics }) => nics));
  const knowledge = await reading;
  const answer = await answerWords(asked, knowledge, ground);
  const { because: rule, ...rest } = answer;
  const origin = rule && originOf(rule, await readRuleFiles());
  const question = { ...words, state: "new", ...how };
  if (settings.json) printJson(output, { question, ...rest, rule, origin });
  else output.out(printAnswer({ ...answer, ...(origin && { origin }) }, words));
  // What mends it may stand in the policy already.
  const { unread } = knowledge;
  if (unread !== undefined && answer.fix !== undefined) output.err(`virtwall: ${unread}\n`);
  return answer.verdict === "delivered" ? exitStatus.ok : exitStatus.problems;
}

/** Rules are root's to list; the daemon answers whoever may ask it. */
async function askRootsAnswer(
  { daemonSocket, json }: Settings,
  output: Output,
  { words, iif, mac, state }: Asked,
): Promise<ExitStatus> {
  const call = { ...words, state: state ?? "new", json, ...defined({ iif, mac }) };
  const reply = await askDaemon(daemonSocket, { request: "explain", call });
  if (reply?.kind !== "explained") {
    throw new RefusedError(`${noDaemon(daemonSocket)}, or run explain as root`);
  }
  const { status, out, err } = reply.result;
  output.out(out);
  output.err(err);
  return status as ExitStatus;
}

async function answerWords(
  asked: Asked,
  knowledge: ReadKnowledge,
  ground: ReadGround,
): Promise<FixedAnswer> {
  const question = readQuestion(asked, { ground, ...knowledge });
  if ("guest" in question) return answerMissing(question);
  const followed = follow(ground, question);
  if (ground.unlisted.length > 0) {
    const answer = doubtLegacy(followed.answer, ground.unlisted);
    return { ...answer, fix: "install iptables, whose iptables-legacy-save lists them" };
  }
  const answer = answerFollowed({ ground, question, followed, knowledge });
  return mayBeTracked(question)
    ? answerTracked({ ground, question, followed, knowledge }, answer)
    : answer;
}

/** A flow that is tracked goes where it was led when it began, and is judged as one that goes on. */
async function answerTracked(called: KnownCall, otherwise: FixedAnswer): Promise<FixedAnswer> {
  const { ground, question, knowledge } = called;
  const { family, protocol, port = 0 } = question;
  const { lines, unseen } = await readTrackedFlows({ family, protocol, port });
  const flows = flowsOf(question, parseTrackedFlows(lines));
  const isGoingOn = question.state === "established";
  // Who asks about what began before means to follow it, wherever it was led.
  const { answer } = called.followed;
  const astray = flows.find((flow) => !isGoingOn && isLedElsewhere(flow, question, answer));
  if (astray !== undefined) return { ...answer, verdict: "lost", ...wordsOfLeftover(astray) };
  const [flow] = flows;
  // Who sends by UDP from a port that nobody named need not be of this flow.
  const isIt = isGoingOn || question.sourcePort !== undefined;
  if (flow === undefined || !isIt) {
    const doubt = unseen && `whether a flow of before decides could not be seen: ${unseen}`;
    return { ...otherwise, detail: [otherwise.detail, doubt].filter(Boolean).join("; ") };
  }
  const tracked = goingOn(question, flow);
  const followed = follow(ground, tracked);
  return answerFollowed({ ground, question: tracked, followed, knowledge });
}

interface KnownCall extends Called {
  readonly knowledge: ReadKnowledge;
}

function answerFollowed(called: KnownCall): FixedAnswer {
  const { ground, question, followed, knowledge } = called;
  const { answer } = followed;
  const shadow = shadowOf(called);
  if (shadow !== undefined) return { ...answer, ...shadow };
  const fix = fixOf(ground, question, { followed, knowledge });
  const hidden = answer.verdict === "delivered" ? hiddenBy(called) : undefined;
  return { ...answer, detail: detailOf(called), ...defined({ fix, hidden }) };
}

function detailOf({ question, followed, knowledge }: KnownCall): string {
  const { detail } = followed.answer;
  const guest = guestReached(followed, knowledge);
  if (guest === undefined) return detail;
  const does = question.protocol === "icmp" ? "answers" : "listens there";
  // Who has answered listens.
  const doubt = question.state === "established" ? "" : `; whether it ${does} the host cannot see`;
  return `${detail} to ${guest}${doubt}`;
}

function guestReached({ answer, end }: Followed, { nics }: ReadKnowledge): string | undefined {
  const fate = end?.fate;
  if (answer.verdict !== "delivered" || fate?.kind !== "sent") return undefined;
  return nics.find(({ tap }) => tap === fate.dev)?.guest;
}

function answerMissing({ guest, mac }: MissingGuest): FixedAnswer {
  const rest = { way: "there", path: [] } as const;
  return mac === undefined
    ? {
        verdict: "lost",
        detail: `${guest} does not run`,
        fix: `virsh start ${guestWord(guest)}`,
        ...rest,
      }
    : {
        verdict: "unknown",
        detail: `no address of ${guest} is known`,
        fix: `guests: { ${guestKey(guest)}: { nics: { "${mac}": { address: ADDRESS } } } }`,
        ...rest,
      };
}

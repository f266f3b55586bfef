import { legacyTablesInUse } from "../edge/xtables/xtables.ts";
import { answer } from "../explain/answer.ts";
import type { KnownNic } from "../explain/read-host.ts";
import { SourceError } from "../ports/sources.ts";
import { collect } from "./collect.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { readQuestion, type Words } from "./explain-words.ts";
import { doubtLegacy, knownNic, readGround } from "./ground.ts";
import { printJson, type Output } from "./output.ts";
import { printAnswer } from "./print-answer.ts";
import { demandRoot, type Settings } from "./settings.ts";

/** Exit status 0 only where the flow arrives, and its answer comes back. */
export async function runExplain(
  settings: Settings,
  output: Output,
  asked: { readonly words: Words; readonly iif?: string },
): Promise<ExitStatus> {
  demandRoot("explain");
  const namesGuest = [asked.words.from, asked.words.to].some((end) => end.startsWith("guest:"));
  const nics = await readNics(settings, namesGuest);
  const ground = await readGround(nics);
  const question = readQuestion(asked, { ground, nics });
  const found = doubtLegacy(answer(ground, question), await legacyTablesInUse());
  if (settings.json) printJson(output, found);
  else output.out(printAnswer(found, asked.words));
  return found.verdict === "delivered" ? exitStatus.ok : exitStatus.problems;
}

/** Without libvirt the tables of the kernel have to do, unless a guest is asked for by name. */
async function readNics(settings: Settings, isNeeded: boolean): Promise<readonly KnownNic[]> {
  try {
    const { decision } = await collect(settings);
    return decision.desired?.compiled.intent.nics.map(knownNic) ?? [];
  } catch (error) {
    if (isNeeded || !(error instanceof SourceError)) throw error;
    return [];
  }
}

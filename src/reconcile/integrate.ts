import { RulesetFileError, type RulesetFiles } from "../ports/ruleset-file.ts";
import { unifiedDiff } from "./integrate-diff.ts";
import { planIntegration, withoutOurLines, type IntegratedChain } from "./integrate-plan.ts";

export interface IntegrationRequest {
  readonly file: string;
  /** One bit. */
  readonly mark: number;
  readonly mode: "write" | "dry-run" | "undo";
}

export interface IntegrationResult {
  /** The file was changed, or would be in a dry run. */
  readonly changed: boolean;
  /** `diff -u` of the file; empty where nothing changes. */
  readonly diff: string;
  /** The base chains of the file; empty for `undo`. */
  readonly chains: readonly IntegratedChain[];
  /** The backup that was written. */
  readonly backup?: string;
  /** What the admin should know, a sentence each. */
  readonly messages: readonly string[];
}

/**
 * Puts our one line into each chain of the admin's file that may drop, so that his restart brings it in the same transaction,
 * or takes the lines away again. No line of ours is written that nft refuses. Throws {@link RulesetFileError}.
 */
export async function integrateFile(
  request: IntegrationRequest,
  files: RulesetFiles,
): Promise<IntegrationResult> {
  const current = await files.read(request.file);
  return request.mode === "undo"
    ? await undo(request.file, current, files)
    : await integrate(request, current, files);
}

async function integrate(
  { file, mark, mode }: IntegrationRequest,
  current: string,
  files: RulesetFiles,
): Promise<IntegrationResult> {
  const plan = planIntegration(current, mark);
  const changed = plan.text !== current;
  const messages = [
    ...plan.includes.map(
      (name) => `include "${toUtf8(name)}" is not followed: integrate that file by itself`,
    ),
    ...(plan.holdsOwnTable
      ? [
          "the file holds virtwall's own table, which cannot load while virtwall runs: take it out of the file",
        ]
      : []),
    ...plan.chains
      .filter((chain) => chain.state === "before ours")
      .map(
        (chain) =>
          `${chain.family} ${chain.table} ${chain.chain} drops ahead of virtwall (priority below filter - 4 or hook ${chain.hook}); no line can help`,
      ),
    ...(plan.chains.length > 0 ? [] : [`${file} has no base chain that guests' packets meet`]),
    ...(changed ? [] : [`nothing to do in ${file}`]),
  ].map(toUtf8);
  const result = {
    changed,
    diff: toUtf8(unifiedDiff(file, current, plan.text)),
    chains: plan.chains,
    messages,
  };
  if (!changed) return result;
  await assertTaken(file, { current, next: plan.text }, files);
  if (mode === "dry-run") return result;
  const backup = await files.writeBackup(file, plan.bare);
  await files.write(file, plan.text);
  return { ...result, backup };
}

/**
 * The backup is the file without our lines as it was when they came in. Taking them out of an untouched file gives its bytes;
 * of a file that was edited since, it keeps the edits. nft is not asked: a file without our lines is the admin's alone.
 */
async function undo(
  file: string,
  current: string,
  files: RulesetFiles,
): Promise<IntegrationResult> {
  const bare = withoutOurLines(current);
  const changed = bare !== current;
  const backup = await files.readBackup(file);
  const messages = [
    ...(changed ? [] : [`no line of virtwall in ${file}: nothing to do`]),
    ...(changed && backup === undefined ? ["no backup: only our lines were removed"] : []),
    ...(changed && backup === bare ? ["the file is again what it was, byte for byte"] : []),
    ...(changed && backup !== undefined && backup !== bare
      ? ["the file was edited since: only our lines were removed, and the edits kept"]
      : []),
  ];
  if (changed) await files.write(file, bare);
  if (backup !== undefined) await files.removeBackup(file);
  return { changed, diff: toUtf8(unifiedDiff(file, current, bare)), chains: [], messages };
}

async function assertTaken(
  file: string,
  texts: { readonly current: string; readonly next: string },
  files: RulesetFiles,
): Promise<void> {
  const refusal = await files.check(file, texts.next);
  if (refusal === undefined) return;
  const earlier = await files.check(file, texts.current);
  const message =
    earlier === undefined
      ? `nft refuses ${file} with our line, so nothing was written:\n${refusal}`
      : `nft refuses ${file} as it is, so nothing was written:\n${earlier}`;
  throw new RulesetFileError(message, { file });
}

/** Texts of {@link RulesetFiles} hold a byte a character; for people it is UTF-8 again. */
function toUtf8(text: string): string {
  return new TextDecoder().decode(Uint8Array.from(text, (byte) => byte.charCodeAt(0)));
}

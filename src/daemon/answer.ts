import type { DaemonAnswer, RequestHandler } from "../edge/socket/serve-client.ts";
import type { Decision } from "../reconcile/decide.ts";
import type { ExplainCall, ExplainResult } from "../wire/explain-call.ts";
import type { DaemonStatus, StatusPart, StatusParts } from "../wire/daemon-status.ts";
import type {
  DaemonRequest,
  Examined,
  ReloadRequest,
  ReloadResult,
} from "../wire/daemon-protocol.ts";
import type { Beliefs } from "./beliefs.ts";
import type { Follower, Outcome } from "./follower.ts";
import type { HeldSources } from "./held-sources.ts";
import { HookIntake } from "./hook-intake.ts";
import type { Journal } from "./journal.ts";

export interface AnswerParts {
  readonly follower: Follower;
  readonly journal: Journal;
  readonly sources: HeldSources;
  readonly readStatus: () => Promise<DaemonStatus>;
  readonly readParts: (names: readonly StatusPart[]) => Promise<Partial<StatusParts>>;
  readonly explain: (call: ExplainCall, end: AbortSignal) => Promise<ExplainResult>;
}

/** What the daemon does for those who ask on its socket. */
export function answerRequests(parts: AnswerParts): RequestHandler {
  const { follower, journal, sources, readStatus, readParts, explain } = parts;
  const hooks = new HookIntake(follower, journal);
  const explainTo = (call: ExplainCall, reply: Parameters<RequestHandler>[1]): (() => void) => {
    const asker = new AbortController();
    const explained = explain(call, asker.signal);
    void answered(explained, (result) => ({ kind: "explained", result })).then(reply);
    return () => asker.abort();
  };
  return (request, reply) => {
    switch (request.request) {
      case "status":
        void answered(readStatus(), (status) => ({ kind: "status", status })).then(reply);
        return undefined;
      case "parts":
        void answered(readParts(request.parts), (read) => ({ kind: "parts", parts: read })).then(
          reply,
        );
        return undefined;
      case "reload":
        void reload(follower, request).then((told) => reply({ kind: "reload", ...told }));
        return undefined;
      case "examine":
        reply({ kind: "examined", examined: examine(follower.beliefs, request) });
        return undefined;
      case "explain":
        return explainTo(request.call, reply);
      case "hook":
        void hooks.take(request.call).then((result) => reply({ kind: "hook", result }));
        return undefined;
      case "hold":
        return hold(sources, reply);
      case "events":
        reply({ kind: "events", events: journal.events });
        return request.follow
          ? journal.follow((event) => reply({ kind: "event", event }))
          : undefined;
    }
  };
}

/** What cannot be read is for the asker to know, who may be anybody of the group, and does not end the daemon. */
function answered<Read>(
  reading: Promise<Read>,
  answerOf: (read: Read) => DaemonAnswer,
): Promise<DaemonAnswer> {
  return reading.then(answerOf, (error: unknown) => ({
    kind: "refused",
    message: error instanceof Error ? error.message : String(error),
  }));
}

/** Whoever asked for it may hang. */
const longestHoldMs = 30_000;

function hold(sources: HeldSources, reply: Parameters<RequestHandler>[1]): () => void {
  const held = sources.hold();
  const release = (): void => {
    clearTimeout(timer);
    void held.then((letGo) => letGo());
  };
  const timer = setTimeout(release, longestHoldMs);
  void held.then(() => reply({ kind: "held" }));
  return release;
}

async function reload(
  follower: Follower,
  { only, guest }: ReloadRequest,
): Promise<Omit<Extract<DaemonAnswer, { kind: "reload" }>, "kind">> {
  const outcome = await (only === "policy" ? follower.takePolicy() : convergeOnAll(follower));
  const { decision, policyTexts } = follower.beliefs;
  return {
    result: resultOf(outcome, decision),
    policyFiles: policyTexts.map(({ file }) => file),
    publications: publicationsOf(decision, guest),
  };
}

function convergeOnAll(follower: Follower): Promise<Outcome> {
  follower.expectLibvirt({ kind: "everything" });
  return follower.converge();
}

function publicationsOf(decision: Decision | undefined, name: string | undefined) {
  const all = decision?.desired?.compiled.publications ?? [];
  return all.filter(({ guest }) => guest === name);
}

function examine(
  beliefs: Beliefs,
  { text, guest }: Extract<DaemonRequest, { request: "examine" }>,
): Examined | null {
  const found = beliefs.examine(text);
  return found === undefined
    ? null
    : { ...found, publications: publicationsOf(beliefs.decision, guest) };
}

function resultOf({ changes, errors }: Outcome, decision: Decision | undefined): ReloadResult {
  const problems = decision?.problems ?? [];
  if (decision?.inForce === "current" && !decision.keepsFilters && errors.length === 0) {
    return { state: "converged", changes, problems };
  }
  if (errors.length > 0) return { state: "failed", changes, problems, error: errors.join("; ") };
  return { state: "last-good", changes, problems };
}

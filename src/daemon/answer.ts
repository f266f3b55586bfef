import type { RequestHandler } from "../edge/socket/daemon-server.ts";
import type { DaemonStatus, StatusPart, StatusParts } from "../wire/daemon-status.ts";
import type { ReloadResult } from "../wire/daemon-protocol.ts";
import type { Follower } from "./follower.ts";
import type { HeldSources } from "./held-sources.ts";
import { HookIntake } from "./hook-intake.ts";
import type { Journal } from "./journal.ts";

export interface AnswerParts {
  readonly follower: Follower;
  readonly journal: Journal;
  readonly sources: HeldSources;
  readonly readStatus: () => Promise<DaemonStatus>;
  readonly readParts: (names: readonly StatusPart[]) => Promise<Partial<StatusParts>>;
}

/** What the daemon does for those who ask on its socket. */
export function answerRequests(parts: AnswerParts): RequestHandler {
  const { follower, journal, sources, readStatus, readParts } = parts;
  const hooks = new HookIntake(follower, journal);
  return (request, reply) => {
    switch (request.request) {
      case "status":
        void readStatus().then((status) => reply({ kind: "status", status }));
        return undefined;
      case "parts":
        void readParts(request.parts).then((named) => reply({ kind: "parts", parts: named }));
        return undefined;
      case "reload":
        void reload(follower).then((result) => reply({ kind: "reload", result }));
        return undefined;
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

async function reload(follower: Follower): Promise<ReloadResult> {
  follower.expectLibvirt({ kind: "everything" });
  const { changes, errors } = await follower.converge();
  const decision = follower.beliefs.decision;
  const problems = decision?.problems ?? [];
  if (decision?.inForce === "current" && !decision.keepsFilters && errors.length === 0) {
    return { state: "converged", changes, problems };
  }
  if (errors.length > 0) return { state: "failed", changes, problems, error: errors.join("; ") };
  return { state: "last-good", changes, problems };
}

import { quote } from "../base/quote.ts";
import { parseGuestXml } from "../parse/guest-xml.ts";
import type { HookCall, HookResult } from "../wire/hook-call.ts";
import type { Follower } from "./follower.ts";
import type { Journal } from "./journal.ts";

/** The hook's client waits for 2 s; this is told in time. */
const deadlineMs = 1_800;

/**
 * libvirt's docs/hooks.rst: what it says of a guest that is there, with its live XML. `restore` and `migrate` are none of these: they come
 * before libvirt refuses what runs already (qemuDomainRestoreInternal, qemuMigrationDstPrepareAny, libvirt 9.0), and `prepare` follows.
 */
const present: ReadonlySet<string> = new Set([
  "prepare",
  "start",
  "started",
  "reconnect",
  "attach",
]);
const gone: ReadonlySet<string> = new Set(["stopped", "release"]);

/**
 * What libvirt says by its hooks. While it waits for the answer it holds a lock on the guest or network, so that nothing here may ask
 * libvirt anything.
 */
export class HookIntake {
  readonly #follower: Follower;
  readonly #journal: Journal;

  constructor(follower: Follower, journal: Journal) {
    this.#follower = follower;
    this.#journal = journal;
  }

  /** Answers within 1.8 s. */
  async take(call: HookCall): Promise<HookResult> {
    if (call.driver === "network") return this.#takeNetwork(call);
    if (gone.has(call.operation)) return this.#takeGone(call);
    if (present.has(call.operation)) return this.#takePresent(call);
    this.#journal.add("info", "hook-ignored", `${wordsOf(call)}: there is nothing to do`);
    return { state: "ready" };
  }

  /** What it says can be asked of libvirt as soon as it goes on. */
  #takeNetwork(call: HookCall): HookResult {
    if (call.fault !== undefined) this.#journal.add("warning", "hook-refused", faultOf(call));
    const text = call.operation === "stopped" ? undefined : networkIn(call.xml);
    this.#follower.beliefs.hearNetwork(call.object, text);
    this.#follower.expectLibvirt({ kind: "networks" });
    return { state: "ready" };
  }

  async #takeGone(call: HookCall): Promise<HookResult> {
    const name = call.object;
    const isKnown = this.#follower.beliefs.knows(name);
    this.#follower.beliefs.hear({ name, uuid: "" }, undefined);
    // Not before its last word: until then libvirt may still say that the guest runs.
    if (call.operation === "release") this.#follower.expectLibvirt({ kind: "guest", name });
    if (isKnown) this.#journal.add("info", "guest-stopped", `guest ${quote(name)} has stopped`);
    else if (call.operation === "stopped") {
      this.#journal.add(
        "info",
        "guest-stopped",
        `guest ${quote(name)} has stopped, unknown so far`,
      );
    }
    return this.#settle(call);
  }

  async #takePresent(call: HookCall): Promise<HookResult> {
    if (call.fault !== undefined) return this.#refuse(call, call.fault);
    const { guest, problems } = parseGuestXml({ file: "hook", text: call.xml });
    if (!guest) return this.#refuse(call, problems[0]?.message ?? "its XML names no guest");
    if (guest.name !== call.object) {
      return this.#refuse(call, `its XML is that of guest ${quote(guest.name)}`);
    }
    this.#follower.beliefs.hear(guest, call.xml);
    return this.#settle(call);
  }

  async #settle(call: HookCall): Promise<HookResult> {
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, deadlineMs, `not done within ${deadlineMs} ms`);
    });
    const reason = await Promise.race([this.#converge(call), late]);
    clearTimeout(timer);
    if (reason !== undefined) return this.#refuse(call, reason);
    if (call.operation === "start") {
      const tookMs = (performance.now() - began).toFixed(1);
      const message = `guest ${quote(call.object)} starts: its rules stand, ${tookMs} ms after libvirt said so`;
      this.#journal.add("info", "guest-starts", message);
    }
    return { state: "ready" };
  }

  /** Why the kernel does not hold what follows; undefined if it does. */
  async #converge(call: HookCall): Promise<string | undefined> {
    const follower = this.#follower;
    if (!follower.beliefs.hasReadLibvirt) await follower.actWithoutLibvirt();
    await follower.hurry();
    if (!follower.beliefs.decision) await follower.converged;
    const { decision } = follower.beliefs;
    if (!decision?.desired) return "no policy is in force";
    if (!follower.holdsDesired) return follower.errors.join("; ");
    const isLeftOut = present.has(call.operation) && !follower.beliefs.knows(call.object);
    return isLeftOut ? "what libvirt says of it has errors" : undefined;
  }

  #refuse(call: HookCall, reason: string): HookResult {
    const level = present.has(call.operation) ? "error" : "warning";
    this.#journal.add(level, "hook-refused", faultOf({ ...call, fault: reason }));
    return { state: "failed", reason };
  }
}

/** The network in `<hookData>`; a port may follow it. */
function networkIn(xml: string): string | undefined {
  const end = "</network>";
  const text = xml.slice(xml.indexOf("<network"), xml.lastIndexOf(end) + end.length);
  return text.startsWith("<network") && text.endsWith(end) ? text : undefined;
}

function wordsOf({ driver, object, operation }: HookCall): string {
  const what = driver === "qemu" ? "guest" : "network";
  return `libvirt's hook ${quote(operation)} for ${what} ${quote(object)}`;
}

/** Of a guest that is not understood nothing is known, and what is not known passes nothing. */
function faultOf(call: HookCall): string {
  return `${wordsOf(call)}: ${call.fault ?? ""}: what was known before stays in force`;
}

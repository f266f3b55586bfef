import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import type { TableFamily } from "../../nft/ast.ts";
import type { KernelEvent } from "../../ports/kernel.ts";
import { nftEnvironment } from "./run-nft.ts";

/** Longer lines hold elements; the head names the table. */
const lineHeadLength = 512;
const shortestPauseMs = 100;
const longestPauseMs = 10_000;

/**
 * Watches the ruleset through `nft monitor`, whose text form tells where a transaction ends and who made it, which its JSON does not.
 * Calls back with `lost` once it listens, so that whatever happened before is not missed, and again after every gap.
 */
export function watchRuleset(listener: (event: KernelEvent) => void): () => void {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pauseMs = shortestPauseMs;
  let isEnded = false;

  const later = (action: () => void, delayMs: number): void => {
    timer = setTimeout(action, delayMs);
  };
  const restart = (): void => {
    if (isEnded) return;
    clearTimeout(timer);
    child = undefined;
    listener({ kind: "lost" });
    later(start, pauseMs);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  };
  const awaitListening = (started: ChildProcess, delayMs: number): void => {
    later(() => {
      if (isEnded || child !== started) return;
      if (!isListening(started)) return awaitListening(started, delayMs * 2);
      pauseMs = shortestPauseMs;
      listener({ kind: "lost" });
    }, delayMs);
  };
  const start = (): void => {
    const reader = new MonitorReader(listener);
    const started = spawn("nft", ["monitor"], {
      stdio: ["ignore", "pipe", "ignore"],
      env: nftEnvironment(),
    });
    child = started;
    started.stdout.setEncoding("utf8").on("data", (text: string) => reader.push(text));
    started.stdout.on("error", () => started.kill());
    // Exactly one of the two comes when the child could not be started, or has ended.
    started.on("error", restart);
    started.on("exit", () => {
      if (child === started) restart();
    });
    awaitListening(started, 5);
  };

  start();
  return () => {
    isEnded = true;
    clearTimeout(timer);
    child?.kill();
  };
}

/**
 * Whether the child has joined the group of ruleset changes; it does not say so itself, and a change before that is not told. The
 * row of its netlink socket: address, protocol 12 (netfilter), port id, groups as a bit mask.
 */
export function isListening(child: ChildProcess): boolean {
  try {
    return readFileSync(`/proc/${child.pid}/net/netlink`, "utf8")
      .split("\n")
      .map((row) => row.trim().split(/\s+/))
      .some(
        ([, protocol, port, groups]) =>
          protocol === "12" && port === String(child.pid) && /[1-9a-f]/.test(groups ?? ""),
      );
  } catch {
    return false;
  }
}

/** Turns the text of `nft monitor` into events, one a transaction. */
export class MonitorReader {
  readonly #listener: (event: KernelEvent) => void;
  #line = "";
  readonly #tables = new Map<string, { readonly family: TableFamily; readonly name: string }>();

  constructor(listener: (event: KernelEvent) => void) {
    this.#listener = listener;
  }

  push(text: string): void {
    const lines = text.split("\n");
    lines.forEach((part, index) => {
      this.#line += part.slice(0, Math.max(0, lineHeadLength - this.#line.length));
      if (index === lines.length - 1) return;
      this.#read(this.#line);
      this.#line = "";
    });
  }

  #read(line: string): void {
    const change =
      /^(?:add|insert|replace|delete|destroy) [a-z ]*?(?:table|chain|rule|set|map|element|flowtable|counter|quota|limit|helper|timeout|expectation|secmark|synproxy) (ip|ip6|inet|bridge|arp|netdev) (\S+)/.exec(
        line,
      );
    if (change) {
      const [, family = "", name = ""] = change;
      this.#tables.set(`${family} ${name}`, { family: family as TableFamily, name });
      return;
    }
    const end = /^# new generation \d+(?: by process (\d+) \((.*)\))?/.exec(line);
    if (end) this.#tell(end[1], end[2]);
    if (line.startsWith("# ERROR:")) this.#listener({ kind: "lost" });
  }

  #tell(pid: string | undefined, name: string | undefined): void {
    const tables = [...this.#tables.values()];
    this.#tables.clear();
    this.#listener({
      kind: "changed",
      tables,
      ...(pid !== undefined && name !== undefined && { process: { pid: Number(pid), name } }),
    });
  }
}

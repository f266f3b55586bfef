import { spawn } from "node:child_process";

/** What follows a program that prints a line for every change. */
export interface ChildWatch {
  readonly command: string;
  readonly args: readonly string[];
  /** A change; also once the program listens, and at its death, since whatever happened in between was not seen. */
  readonly onChange: () => void;
  /** What it printed, line by line, in the place of `onChange`. */
  readonly onLines?: (lines: readonly string[]) => void;
  /** The program prints something just before it starts to listen. */
  readonly announces?: boolean;
  /** Whether changes are seen right now. */
  readonly onListening?: (isListening: boolean) => void;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;
/** From the start or the announcement until the program surely listens. */
const settleMs = 150;

/** Keeps the program running, with growing pauses between its starts. The function returned ends it. */
export function watchChild(watch: ChildWatch): () => void {
  let pauseMs = firstPauseMs;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let kill = (): void => undefined;

  const again = (): void => {
    if (stopped) return;
    clearTimeout(timer);
    watch.onListening?.(false);
    watch.onChange();
    timer = setTimeout(start, pauseMs);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  };
  const settle = (): void => {
    if (stopped) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      watch.onListening?.(true);
      watch.onChange();
    }, settleMs);
  };
  const start = (): void => {
    let isAnnounced = watch.announces !== true;
    const child = spawn(watch.command, watch.args, {
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, LC_ALL: "C" },
    });
    kill = () => child.kill();
    if (isAnnounced) child.once("spawn", settle);
    let unended = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      pauseMs = firstPauseMs;
      if (stopped) return;
      if (!isAnnounced) {
        isAnnounced = true;
        return settle();
      }
      if (watch.onLines === undefined) return watch.onChange();
      const lines = `${unended}${text}`.split("\n");
      unended = lines.pop() ?? "";
      if (lines.length > 0) watch.onLines(lines);
    });
    let ended = false;
    const end = (): void => {
      if (!ended) again();
      ended = true;
    };
    child.once("error", end);
    child.once("close", end);
  };
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
    kill();
  };
}

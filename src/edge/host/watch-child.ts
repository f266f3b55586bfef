import { spawn } from "node:child_process";

/** What follows a program that prints a line for every change. */
export interface ChildWatch {
  readonly command: string;
  readonly args: readonly string[];
  /** A change, and also the program's start and death: whatever happened in between was not seen. */
  readonly onChange: () => void;
  /** Whether changes are seen right now. */
  readonly onListening?: (isListening: boolean) => void;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;

/** Keeps the program running, with growing pauses between its starts. The function returned ends it. */
export function watchChild(watch: ChildWatch): () => void {
  let pauseMs = firstPauseMs;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let kill = (): void => undefined;

  const again = (): void => {
    if (stopped) return;
    watch.onListening?.(false);
    watch.onChange();
    timer = setTimeout(start, pauseMs);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  };
  const start = (): void => {
    const child = spawn(watch.command, watch.args, {
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, LC_ALL: "C" },
    });
    kill = () => child.kill();
    child.once("spawn", () => watch.onListening?.(true));
    child.stdout.on("data", () => {
      pauseMs = firstPauseMs;
      if (!stopped) watch.onChange();
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

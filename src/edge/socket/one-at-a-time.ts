import type { RequestHandler } from "./serve-client.ts";

/** Begins a request when the one before it was answered, whoever asked that: all askers together cost no more than one. */
export function oneAtATime(handle: RequestHandler): RequestHandler {
  const waiting: (() => void)[] = [];
  let isTaken = false;
  const next = (): void => {
    const begin = waiting.shift();
    isTaken = begin !== undefined;
    begin?.();
  };
  return (request, reply) => {
    let isGone = false;
    let leave: (() => void) | undefined;
    const begin = (): void => {
      if (isGone) return next();
      let isAnswered = false;
      leave = handle(request, (answer) => {
        reply(answer);
        if (isAnswered) return;
        isAnswered = true;
        // Not from within the handler, which has not returned yet where it answers at once.
        queueMicrotask(next);
      });
    };
    if (isTaken) waiting.push(begin);
    else {
      isTaken = true;
      begin();
    }
    return () => {
      isGone = true;
      leave?.();
    };
  };
}

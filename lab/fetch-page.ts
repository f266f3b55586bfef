import type { World } from "./world.ts";

export interface FetchOptions {
  /** What stands before the command, for instance {@link asClient}. Default: the hypervisor itself fetches. */
  readonly from?: readonly string[];
  /** Default 5 000. */
  readonly timeoutMs?: number;
}

/** Run by Node in the world: busybox's wget crashes there, being static and loading the machine's NSS. */
const program = `
const [url, timeoutMs] = process.argv.slice(1);
fetch(url, { signal: AbortSignal.timeout(Number(timeoutMs)) })
  .then((reply) => reply.text())
  .then((text) => process.stdout.write(text))
  .catch((cause) => { console.error(cause.cause?.code ?? cause.name); process.exit(1); });
`;

/** Fetches a page in the world. Returns the empty string when nothing answers in time. */
export async function fetchPage(
  world: World,
  url: string,
  { from = [], timeoutMs = 5_000 }: FetchOptions = {},
): Promise<string> {
  const fetcher = [...from, process.execPath, "-e", program, url, String(timeoutMs)];
  const result = await world.run(fetcher, { timeoutMs: timeoutMs + 10_000 });
  return result.status === 0 ? result.stdout : "";
}

/** Asks a guest, from the hypervisor, to fetch a page itself. The empty string when it gets none. */
export async function fetchByGuest(
  world: World,
  guestAddress: string,
  url: string,
): Promise<string> {
  const host = guestAddress.includes(":") ? `[${guestAddress}]` : guestAddress;
  const answer = await fetchPage(world, `http://${host}/cgi-bin/fetch?${url}`, {
    timeoutMs: 8_000,
  });
  return answer.startsWith("ok\n") ? answer.slice(3) : "";
}

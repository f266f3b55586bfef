import { once } from "node:events";
import { connect, createServer } from "node:net";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DaemonEvent, DaemonRequest } from "../../wire/daemon-protocol.ts";
import { askDaemon, askParts, callDaemon, DaemonError } from "./daemon-client.ts";
import { serveDaemon, SocketInUseError } from "./daemon-server.ts";
import { readersSocketOf } from "./readers-socket.ts";
import type { RequestHandler } from "./serve-client.ts";

let folder: string;
let socket: string;
const ends: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  socket = join(folder, "virtwall.sock");
});

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await rm(folder, { recursive: true });
});

async function serve(handler: RequestHandler): Promise<void> {
  ends.push(await serveDaemon(socket, handler));
}

const event = (message: string): DaemonEvent => {
  return { at: "2026-01-01T00:00:00.000Z", level: "info", event: "applied", message };
};

/** Over the socket of the readers, until there are so many. */
async function countReplies(requests: string, wanted: number): Promise<number> {
  const client = connect(readersSocketOf(socket), () => client.write(requests));
  let count = 0;
  for await (const chunk of client) {
    count += String(chunk).split("\n").length - 1;
    if (count >= wanted) break;
  }
  return count;
}

test("a request is answered, and the socket is root's alone", async () => {
  await serve((request, reply) => {
    reply({ kind: "refused", message: request.request });
    return undefined;
  });
  await expect(askDaemon(socket, { request: "status" })).rejects.toThrow("status");
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
});

test("parts of the status are asked for by name, each once, and no others than there are", async () => {
  await serve((request, reply) => {
    const names = request.request === "parts" ? request.parts : [];
    reply({ kind: "parts", parts: { errors: names } });
    return undefined;
  });
  expect(await askParts(socket, "policy", "errors")).toEqual({ errors: ["policy", "errors"] });
  // Each costs the daemon programs: whoever names it a hundred times gets no hundred of them.
  expect(await askParts(socket, "guests", "errors", "guests")).toEqual({
    errors: ["guests", "errors"],
  });
  for (const name of ["secrets", "toString", ["guests"]]) {
    const request = { request: "parts", parts: [name] } as unknown as DaemonRequest;
    await expect(askDaemon(socket, request)).rejects.toThrow("not understood");
  }
});

test("many requests of many readers at once are answered one after the other", async () => {
  let [running, most] = [0, 0];
  const handle: RequestHandler = (_request, reply) => {
    running++;
    most = Math.max(most, running);
    setTimeout(() => {
      running--;
      reply({ kind: "parts", parts: {} });
    }, 1);
    return undefined;
  };
  ends.push(await serveDaemon(socket, handle, process.getgid?.() ?? 0));
  const request = `${JSON.stringify({ version: 1, id: 1, request: "status" })}\n`;
  const answered = await Promise.all(
    Array.from({ length: 3 }, () => countReplies(request.repeat(100), 100)),
  );
  expect(answered).toEqual([100, 100, 100]);
  expect(most).toBe(1);
});

test("who waits for explain keeps nobody waiting but others who ask for it", async () => {
  const asked: string[] = [];
  const handle: RequestHandler = ({ request }, reply) => {
    asked.push(request);
    if (request !== "explain") reply({ kind: "parts", parts: {} });
    return undefined;
  };
  ends.push(await serveDaemon(socket, handle, process.getgid?.() ?? 0));
  const call = { protocol: "tcp", from: "world", to: "host:22", state: "new" };
  const explain = `${JSON.stringify({ version: 1, id: 1, request: "explain", call })}\n`;
  const waiting = [1, 2].map(() => {
    const client = connect(readersSocketOf(socket), () => client.write(explain));
    return client;
  });
  await expect.poll(() => asked).toEqual(["explain"]);
  const request = `${JSON.stringify({ version: 1, id: 1, request: "status" })}\n`;
  expect(await countReplies(request, 1)).toBe(1);
  expect(asked).toEqual(["explain", "status"]);
  for (const client of waiting) client.destroy();
});

test("a reader that leaves gives its turn to the next", async () => {
  const replies: (() => void)[] = [];
  const handle: RequestHandler = (_request, reply) => {
    replies.push(() => reply({ kind: "parts", parts: {} }));
    return undefined;
  };
  ends.push(await serveDaemon(socket, handle, process.getgid?.() ?? 0));
  const request = `${JSON.stringify({ version: 1, id: 1, request: "status" })}\n`;
  const gone = connect(readersSocketOf(socket), () => gone.write(request));
  await expect.poll(() => replies.length).toBe(1);
  gone.destroy();
  const staying = countReplies(request, 1);
  replies[0]?.();
  await expect.poll(() => replies.length).toBe(2);
  replies[1]?.();
  expect(await staying).toBe(1);
});

test("a client that follows is heard no more, however much it asks", async () => {
  let followed = 0;
  await serve((_request, reply) => {
    followed++;
    reply({ kind: "events", events: [] });
    return () => undefined;
  });
  const request = `${JSON.stringify({ version: 1, id: 1, request: "events", follow: true })}\n`;
  const client = connect(socket, () => client.write(request.repeat(50)));
  await once(client, "data");
  client.write(request);
  await expect(askDaemon(socket, { request: "events", follow: false })).resolves.toBeDefined();
  expect(followed).toBe(2);
  client.destroy();
});

test("where nobody listens there is no answer, and that is no error", async () => {
  expect(await askDaemon(socket, { request: "status" })).toBeUndefined();
  await writeFile(socket, "");
  expect(await askDaemon(socket, { request: "status" })).toBeUndefined();
});

test("a client that follows gets what comes later, and its leaving is seen", async () => {
  let hasLeft = false;
  await serve((_request, reply) => {
    reply({ kind: "events", events: [event("first")] });
    const timer = setInterval(() => reply({ kind: "event", event: event("later") }), 5);
    return () => {
      clearInterval(timer);
      hasLeft = true;
    };
  });
  const messages: string[] = [];
  for await (const reply of callDaemon(socket, { request: "events", follow: true })) {
    if (reply.kind === "events") messages.push(...reply.events.map(({ message }) => message));
    if (reply.kind === "event") messages.push(reply.event.message);
    if (messages.length >= 3) break;
  }
  expect(messages).toEqual(["first", "later", "later"]);
  await expect.poll(() => hasLeft).toBe(true);
});

test("an answer may be as long as it is, and who follows and does not read is cut off", async () => {
  const long = event("x".repeat(20 << 20));
  let hasLeft = false;
  await serve((request, reply) => {
    reply({ kind: "events", events: [long] });
    if (request.request !== "events" || !request.follow) return undefined;
    const timer = setInterval(() => reply({ kind: "event", event: long }), 5);
    return () => {
      clearInterval(timer);
      hasLeft = true;
    };
  });
  const whole = await askDaemon(socket, { request: "events", follow: false });
  expect(whole).toMatchObject({ kind: "events", events: [long] });
  const request = `${JSON.stringify({ version: 1, id: 1, request: "events", follow: true })}\n`;
  const deaf = connect(socket, () => deaf.write(request));
  await expect.poll(() => hasLeft).toBe(true);
  deaf.destroy();
});

test("who does not read an answer is given no other, and everybody else is answered", async () => {
  let asked = 0;
  await serve((request, reply) => {
    if (request.request === "status") asked++;
    reply({ kind: "events", events: [event("x".repeat(1 << 20))] });
    return undefined;
  });
  const request = `${JSON.stringify({ version: 1, id: 1, request: "status" })}\n`;
  const deaf = connect(socket, () => deaf.write(request.repeat(50)));
  await expect.poll(() => asked).toBeGreaterThan(0);
  for (let turn = 0; turn < 20; turn++) {
    expect(await askDaemon(socket, { request: "events", follow: false })).toBeDefined();
  }
  expect(asked).toBe(1);
  deaf.destroy();
});

test("a second server on the same path is refused, and the first goes on", async () => {
  await serve((_request, reply) => {
    reply({ kind: "events", events: [] });
    return undefined;
  });
  await expect(serveDaemon(socket, () => undefined)).rejects.toThrow(SocketInUseError);
  expect(await askDaemon(socket, { request: "status" })).toMatchObject({ kind: "events" });
});

test("of several servers that start at once where one has died, exactly one serves", async () => {
  await writeFile(socket, "");
  const starts = Array.from({ length: 8 }, () => serveDaemon(socket, () => undefined));
  const outcomes = await Promise.allSettled(starts);
  ends.push(...outcomes.flatMap((one) => (one.status === "fulfilled" ? one.value : [])));
  const refused = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  expect(refused.map((error: unknown) => error instanceof SocketInUseError)).toEqual(
    Array.from({ length: 7 }, () => true),
  );
});

test("a socket file that nobody serves any more is replaced", async () => {
  await writeFile(socket, "");
  await serve((_request, reply) => {
    reply({ kind: "events", events: [] });
    return undefined;
  });
  expect(await askDaemon(socket, { request: "status" })).toBeDefined();
});

test.each([
  ["no JSON", "hello\n"],
  ["another version", '{"version":99,"id":1,"request":"status"}\n'],
  ["too long", "x".repeat(10_000_000)],
])("%s is not served, and others are", async (_name, bytes) => {
  await serve((_request, reply) => {
    reply({ kind: "events", events: [] });
    return undefined;
  });
  await new Promise<void>((resolve) => {
    const client = connect(socket, () => client.write(bytes));
    client.on("error", () => undefined);
    client.on("data", () => client.destroy());
    client.on("close", () => resolve());
  });
  expect(await askDaemon(socket, { request: "status" })).toBeDefined();
});

test("a daemon of another version, or one that dies, is told as such", async () => {
  const server = createServer((client) => client.end('{"hello":1}\n'));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await expect(askDaemon(socket, { request: "status" })).rejects.toThrow(DaemonError);
  server.close();
});

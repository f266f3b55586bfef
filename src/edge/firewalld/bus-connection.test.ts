import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FirewalldError } from "../../ports/firewalld.ts";
import { BusConnection } from "./bus-connection.ts";

test("a bus that says nothing is let go of", async () => {
  const folder = await mkdtemp(join(tmpdir(), "virtwall-"));
  const open = new Set<Socket>();
  let taken = 0;
  const server = createServer((socket) => {
    taken++;
    open.add(socket.resume());
    socket.on("close", () => open.delete(socket));
  });
  const path = join(folder, "bus");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const before = process.env["DBUS_SYSTEM_BUS_ADDRESS"];
  process.env["DBUS_SYSTEM_BUS_ADDRESS"] = `unix:path=${path}`;
  try {
    const bus = new BusConnection([], () => undefined);
    const call = { destination: "a.b", path: "/", interface: "a.b", member: "c" };
    await expect(bus.call(call)).rejects.toThrow(FirewalldError);
    expect(taken).toBe(1);
    await expect.poll(() => open.size).toBe(0);
  } finally {
    if (before === undefined) delete process.env["DBUS_SYSTEM_BUS_ADDRESS"];
    else process.env["DBUS_SYSTEM_BUS_ADDRESS"] = before;
    for (const socket of open) socket.destroy();
    server.close();
    await rm(folder, { recursive: true });
  }
});

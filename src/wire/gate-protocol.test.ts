import { expect, it } from "vitest";
import { gateProtocol, readGateReply, readGateRequest } from "./gate-protocol.ts";

it.each([
  { id: 1, kind: "status" },
  { id: 2, kind: "adopt" },
  { id: 3, kind: "commit", script: "" },
  { id: 3, kind: "commit", script: "", seal: "these" },
  { id: 4, kind: "remove" },
  { id: 5, kind: "flows", addresses: ["192.0.2.1", "2001:db8::1"] },
  { id: 6, kind: "cut", keys: ["AgA="] },
])("a request is read: $kind", (request) => {
  expect(readGateRequest(request)).toEqual(request);
});

it.each([
  null,
  1,
  "status",
  [],
  {},
  { kind: "status" },
  { id: "1", kind: "status" },
  { id: 1, kind: "commit" },
  { id: 1, kind: "commit", script: "", seal: 7 },
  { id: 1, kind: "stop" },
  { id: 1, kind: "flows" },
  { id: 1, kind: "flows", addresses: ["localhost"] },
  { id: 1, kind: "flows", addresses: ["2001:DB8::1"] },
  { id: 1, kind: "cut", keys: [1] },
])("anything else is no request: %j", (value) => {
  expect(readGateRequest(value)).toBeUndefined();
});

const status = { protocol: gateProtocol, version: "0.1.0", pid: 1, tables: [] };

it("a reply is read", () => {
  expect(readGateReply({ id: 1, kind: "done", status })).toEqual({ id: 1, kind: "done", status });
  const refused = { id: 1, kind: "refused", message: "no" };
  expect(readGateReply(refused)).toEqual(refused);
  const flows = { id: 1, kind: "flows", flows: [{ key: "AgA=" }], isLast: false };
  expect(readGateReply(flows)).toEqual(flows);
  expect(readGateReply({ id: 1, kind: "cut", count: 3 })).toEqual({ id: 1, kind: "cut", count: 3 });
});

it.each([
  null,
  { id: 1, kind: "done" },
  { id: 1, kind: "refused" },
  { id: 1, kind: "flows", flows: [] },
  { id: 1, kind: "flows", flows: ["x"], isLast: true },
  { id: 1, kind: "cut" },
  { id: 1, kind: "done", status: { ...status, protocol: gateProtocol + 1 } },
  { id: 1, kind: "done", status: { ...status, tables: [1] } },
])("anything else is no reply: %j", (value) => {
  expect(readGateReply(value)).toBeUndefined();
});

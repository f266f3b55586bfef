import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { callDaemon } from "../../src/edge/socket/daemon-client.ts";
import { buildPrograms, holds, Site, until } from "./daemon-program.ts";

let site: Site;

beforeAll(buildPrograms);

beforeEach(async () => {
  site = new Site("networks:\n  front: { mode: nat }\n");
  await site.start();
});

afterEach(() => site.close());

test("while somebody holds the daemon a network that goes keeps its rules, and policy is followed", async () => {
  const replies = callDaemon(site.socket, { request: "hold" });
  expect((await replies.next()).value).toMatchObject({ kind: "held" });
  rmSync(join(site.inventory, "networks/front.xml"));
  site.writePolicy("networks:\n  front: { mode: nat, isolate: true }\n");
  await until(() => holds('set apart {\n\t\ttype ifname\n\t\telements = { "virbr20" }'));
  await setTimeout(200);
  expect(holds('"virbr20" . 10.20.0.0/24')).toBe(true);
  await replies.return();
  await until(() => !holds('"virbr20" . 10.20.0.0/24'));
});

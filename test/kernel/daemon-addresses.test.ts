import { spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { buildPrograms, holds, Site, until, type RunningDaemon } from "./daemon-program.ts";

const policy = `networks:
  front: { mode: nat }
guests:
  web1:
    publish:
      - { address: 198.51.100.1, ports: [tcp/80] }
`;
const leases = "leases/virbr20.status";
const web1Mac = "52:54:00:20:00:11";

let site: Site;
let daemon: RunningDaemon;

beforeAll(async () => {
  await buildPrograms();
  ip("link", "add", "virbr20", "type", "bridge");
  ip("addr", "add", "10.20.0.1/24", "dev", "virbr20");
  ip("link", "set", "virbr20", "up");
});

afterAll(() => ip("link", "del", "virbr20"));

beforeEach(async () => {
  site = new Site(policy);
  daemon = await site.start();
});

afterEach(async () => {
  ip("neigh", "flush", "dev", "virbr20", "nud", "all");
  await site.close();
});

function ip(...words: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
}

function show(address: string, mac = web1Mac): void {
  const place = ["dev", "virbr20", "nud", "reachable"];
  ip("neigh", "replace", address, "lladdr", mac, ...place);
}

const leadsTo = (address: string) => holds(`198.51.100.1 . tcp . 80 : ${address} . 80`);
const isPublished = () => holds("198.51.100.1 . tcp . 80 :");
const addressesOf = (guest: string) =>
  site.status().guests.find(({ name }) => name === guest)?.nics[0]?.addresses;
const withoutIpv4Lease = (text: string) => text.replace('"10.20.0.11"', '"10.20.0.11x"');

test("a new lease is in the kernel within a tenth of a second", async () => {
  let last = 40;
  const tookMs = async () => {
    const next = `10.20.0.${last++}`;
    site.edit(leases, (text) => text.replace(/10\.20\.0\.(11|[4-9]\d|1\d\d)"/, `${next}"`));
    const began = performance.now();
    await until(() => leadsTo(next));
    return performance.now() - began;
  };
  // A busy machine gives it a few leases.
  await expect.poll(tookMs).toBeLessThan(100);
});

test("without a lease the publication waits and says why, and follows what the guest shows on its bridge", async () => {
  site.edit(leases, withoutIpv4Lease);
  await until(() => !isPublished());
  expect(site.status().publications).toContainEqual(
    expect.objectContaining({ state: "pending", reason: "the guest has no known IPv4 address" }),
  );
  show("10.20.0.50");
  await until(() => leadsTo("10.20.0.50"));
  expect(addressesOf("web1")).toContainEqual({ address: "10.20.0.50", source: "neighbour" });
  expect(site.run(["status"]).stdout).toContain("10.20.0.50 (neighbour)");
  expect(site.run(["diff"])).toMatchObject({ status: 0 });
  site.edit(leases, (text) => text.replace("10.20.0.11x", "10.20.0.11"));
  await until(() => leadsTo("10.20.0.11"));
});

test("a guest cannot show itself an address of the host's, of another guest or of another network", async () => {
  site.edit(leases, withoutIpv4Lease);
  await until(() => !isPublished());
  show("198.51.100.7");
  show("10.21.0.5");
  show("10.20.0.12");
  await until(() => site.status().policy.problems.some(({ code }) => code.startsWith("ADDRESS_")));
  const told = site.status().policy.problems.map(({ code, message }) => `${code} ${message}`);
  expect(told).toContainEqual(expect.stringMatching(/^ADDRESS_CLAIMED_TWICE .*10\.20\.0\.12/));
  expect(isPublished()).toBe(false);
  expect(addressesOf("web2")).toContainEqual({ address: "10.20.0.12", source: "lease" });
});

const metadata = (ports: string) =>
  `<metadata><virtwall:guest xmlns:virtwall="https://virtwall.dev/guest/1"><virtwall:publish>` +
  `<virtwall:ports>${ports}</virtwall:ports></virtwall:publish></virtwall:guest></metadata>`;

test("what a guest's own XML publishes is followed, and a mistake in it is that guest's alone", async () => {
  const say = (ports: string) =>
    site.edit("domains/web2.xml", (text) =>
      text
        .replace(/<metadata>.*<\/metadata>/, "")
        .replace("<devices>", `${metadata(ports)}<devices>`),
    );
  say("tcp/8080:80");
  await until(() => holds("198.51.100.1 . tcp . 8080 : 10.20.0.12 . 80"));
  expect(site.run(["publish", "list"]).stdout).toMatch(/web2 .*tcp\/8080:80 .*in guest/);
  say("tcp/0");
  await daemon.said("guest-refused");
  expect(holds("198.51.100.1 . tcp . 8080 : 10.20.0.12 . 80")).toBe(true);
  expect(site.status().policy).toMatchObject({ inForce: "current", keptGuests: ["web2"] });
  expect(site.run(["publish", "add", "web1", "tcp/90:80"])).toMatchObject({ status: 0 });
  site.writePolicy(policy.replace("tcp/80", "tcp/81"));
  await until(() => holds("198.51.100.1 . tcp . 81 : 10.20.0.11 . 81"));
  say("tcp/81");
  await until(() => site.status().policy.problems.some(({ code }) => code === "PUBLISHED_TWICE"));
  expect(holds("198.51.100.1 . tcp . 81 : 10.20.0.11 . 81")).toBe(true);
});

test("what a guest's own XML publishes, no command publishes beside it in a file", async () => {
  site.edit("domains/web2.xml", (text) =>
    text.replace("<devices>", `${metadata("tcp/8080:80")}<devices>`),
  );
  await until(() => holds(". tcp . 8080 : 10.20.0.12 . 80"));
  const refused = site.run(["publish", "add", "web2", "tcp/99"]);
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toMatch(
    /web2\.xml:\d+:\d+[^]*'publish' of guest 'web2' is given twice[^]*policy\.yaml:\d+/,
  );
  expect(holds(". tcp . 8080 : 10.20.0.12 . 80")).toBe(true);
  const removed = site.run(["publish", "remove", "web2", "tcp/8080:80"]);
  expect(removed.stderr).toContain("--in-guest");
});

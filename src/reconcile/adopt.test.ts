import { beforeEach, expect, test } from "vitest";
import { FakeNetworks } from "../ports/networks.fake.ts";
import { FakeState } from "../ports/state.fake.ts";
import { adopt, giveBack, type AdoptionPorts } from "./adopt.ts";
import { AdoptionError } from "./step-back.ts";

const adoption = {
  network: "default",
  xml: { before: "nat", after: "open" },
  policy: { file: "policy.yaml", before: "old", after: "new" },
  keys: { mode: "nat" },
};

let networks: FakeNetworks;
let store: FakeState;
let policy: string | undefined;
/** What happened, in order. */
let log: string[];
let isUnplugged: boolean;
let ports: AdoptionPorts;

beforeEach(() => {
  networks = new FakeNetworks("nat");
  store = new FakeState();
  policy = "old";
  log = networks.calls;
  isUnplugged = false;
  ports = {
    networks,
    store,
    policy: {
      write: (_file, text) => {
        policy = text;
        log.push(`write ${text}`);
        return Promise.resolve();
      },
    },
    daemon: {
      converge: () => Promise.resolve(void log.push("converge")),
      hold: () => {
        log.push("hold");
        return Promise.resolve(() => void log.push("release"));
      },
      untilPluggedIn: () =>
        isUnplugged ? Promise.reject(new AdoptionError("vnet0 stayed out")) : Promise.resolve(),
    },
    tell: () => undefined,
  };
});

const refusal = (work: Promise<void>) =>
  work.then(
    () => "",
    (error: Error) => `${error.name}: ${error.message}`,
  );

function expectNothingChanged(): void {
  expect(networks).toMatchObject({ persistent: "nat", live: "nat" });
  expect(policy).toBe("old");
  expect(store.adoptions).toEqual([]);
}

test("the policy is in force before libvirt's rules go, and the daemon looks away while the bridge is away", async () => {
  await adopt(adoption, ports);
  expect(networks).toMatchObject({ persistent: "open", live: "open" });
  expect(store.adoptions).toEqual([adoption]);
  expect(log.slice(0, 2)).toEqual(["write new", "converge"]);
  const hold = log.indexOf("hold");
  expect(log.slice(hold)).toEqual(["hold", "define", "stop", "start", "release", "converge"]);
});

test.each(["define", "stop", "start"])(
  "libvirt that refuses to %s leaves everything as it was",
  async (call) => {
    networks.refusals.push(call);
    expect(await refusal(adopt(adoption, ports))).toBe(
      `AdoptionError: ${call} refused; everything is as it was before`,
    );
    expectNothingChanged();
  },
);

test("an XML that libvirt refuses restarts nothing", async () => {
  networks.refusals.push("define");
  await refusal(adopt(adoption, ports));
  expect(log).not.toContain("stop");
});

test("nics that stay out bring everything back", async () => {
  isUnplugged = true;
  expect(await refusal(adopt(adoption, ports))).toContain("vnet0 stayed out; everything is as");
  expectNothingChanged();
});

test("what cannot be undone is said, and keeps the policy and the backup for the way back", async () => {
  networks.refusals.push("start", "start");
  expect(await refusal(adopt(adoption, ports))).toContain(
    "start refused; the network could not be put back: start refused; " +
      "what was done before that stays: virtwall adopt default --undo",
  );
  expect(policy).toBe("new");
  expect(store.adoptions).toEqual([adoption]);
});

test("a backup that cannot be written stops it at once", async () => {
  store.isDiskFull = true;
  expect(await refusal(adopt(adoption, ports))).toContain("no space left");
  expect(log).toEqual([]);
});

test("a bug of ours is not taken for a refusal", async () => {
  ports.daemon.converge = () => Promise.reject(new TypeError("bug"));
  expect(await refusal(adopt(adoption, ports))).toMatch(/^Error: bug; /);
});

test("given back, libvirt's rules stand before the policy goes", async () => {
  await adopt(adoption, ports);
  log.length = 0;
  const back = { file: "policy.yaml", before: "new", after: "old" };
  await giveBack(adoption, { xml: "open", isRunning: true, policy: back }, ports);
  expectNothingChanged();
  expect(log.indexOf("start")).toBeLessThan(log.indexOf("write old"));
});

test("a way back that fails leaves the network adopted", async () => {
  await adopt(adoption, ports);
  networks.refusals.push("start");
  const back = { file: "policy.yaml", before: "new", after: "old" };
  const failed = refusal(giveBack(adoption, { xml: "open", isRunning: true, policy: back }, ports));
  expect(await failed).toContain("start refused; everything is as it was before");
  expect(networks).toMatchObject({ persistent: "open", live: "open" });
  expect(policy).toBe("new");
  expect(store.adoptions).toEqual([adoption]);
});

test("a network that does not run is given back without being started", async () => {
  await adopt(adoption, ports);
  await networks.stop();
  log.length = 0;
  const back = { file: "policy.yaml", before: "new", after: "old" };
  await giveBack(adoption, { xml: "open", isRunning: false, policy: back }, ports);
  expect(networks).toMatchObject({ persistent: "nat", live: undefined });
  expect(log).toEqual(["define", "write old", "converge"]);
  expect(store.adoptions).toEqual([]);
});

import { beforeEach, expect, test } from "vitest";
import { FakeGuest } from "../ports/guests.fake.ts";
import { SourceError } from "../ports/sources.ts";
import { FakeState } from "../ports/state.fake.ts";
import { adoptGuest, giveGuestBack, type GuestAdoptionPorts } from "./adopt-guest.ts";
import { AdoptionError } from "./step-back.ts";

const uuid = "11111111-2222-3333-4444-555555555555";
const adoption = {
  guest: "web1",
  uuid,
  nics: [{ mac: "52:54:00:00:00:01", filterRef: { live: "ref", config: "ref" } }],
  metadata: { live: { after: "bound" }, config: { before: "old", after: "old, bound" } },
};
const change = {
  nics: [
    { side: "live", before: "filtered", after: "bare" },
    { side: "config", before: "filtered", after: "bare" },
  ],
  metadata: [
    { side: "live", before: undefined, after: "bound" },
    { side: "config", before: "old", after: "old, bound" },
  ],
} as const;
const back = {
  nics: change.nics.map(({ side, before, after }) => ({ side, before: after, after: before })),
  metadata: change.metadata.map(({ side, before, after }) => {
    return { side, before: after, after: before };
  }),
};

let guest: FakeGuest;
let store: FakeState;
let isEnforced: boolean;
let ports: GuestAdoptionPorts;

beforeEach(() => {
  guest = new FakeGuest("filtered", { config: "old" });
  store = new FakeState();
  isEnforced = true;
  ports = {
    guests: guest,
    store,
    daemon: {
      converge: () => Promise.resolve(void guest.calls.push("converge")),
      expectEnforced: () =>
        isEnforced ? Promise.resolve() : Promise.reject(new AdoptionError("nobody judges it")),
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
  expect(guest.nics).toEqual({ live: "filtered", config: "filtered" });
  expect(guest.texts).toEqual({ live: undefined, config: "old" });
  expect(store.guestAdoptions).toEqual([]);
}

test("our tables judge the nics before libvirt's rules go, on both sides", async () => {
  await adoptGuest(adoption, change, ports);
  expect(guest.nics).toEqual({ live: "bare", config: "bare" });
  expect(guest.texts).toEqual({ live: "bound", config: "old, bound" });
  expect(store.guestAdoptions).toEqual([adoption]);
  expect(guest.calls.slice(0, 4)).toEqual([
    "setMetadata live",
    "setMetadata config",
    "converge",
    "updateNic live",
  ]);
});

test("a nic that our tables do not judge keeps libvirt's rules", async () => {
  isEnforced = false;
  expect(await refusal(adoptGuest(adoption, change, ports))).toBe(
    "AdoptionError: nobody judges it; everything is as it was before",
  );
  expect(guest.calls).not.toContain("updateNic live");
  expectNothingChanged();
});

test.each(["setMetadata live", "setMetadata config", "updateNic live", "updateNic config"])(
  "a libvirt that refuses %s has everything as it was",
  async (call) => {
    guest.refusals.push(call);
    const { message } = await adoptGuest(adoption, change, ports).then(
      () => new Error("adopted"),
      (error: Error) => error,
    );
    expect(message).toBe(`${call} refused; everything is as it was before`);
    expectNothingChanged();
  },
);

test("a nic that does not get libvirt's rules back keeps ours, and the backup", async () => {
  const hung: GuestAdoptionPorts["guests"] = {
    setMetadata: (...call) => guest.setMetadata(...call),
    updateNic: (id, side, xml) =>
      side === "live" && xml === "bare"
        ? guest.updateNic(id, side, xml)
        : Promise.reject(new SourceError("virsh hangs")),
  };
  expect(await refusal(adoptGuest(adoption, change, { ...ports, guests: hung }))).toBe(
    "AdoptionError: virsh hangs; a nic could not be put back: virsh hangs; " +
      "what was done before that stays: virtwall nwfilter adopt web1 --undo",
  );
  expect(guest.nics.live).toBe("bare");
  expect(guest.texts.live).toBe("bound");
  expect(store.guestAdoptions).toEqual([adoption]);
});

test("where our rules do not come back, libvirt's stay", async () => {
  await adoptGuest(adoption, change, ports);
  ports.daemon.converge = () => {
    guest.refusals.push("setMetadata live");
    return Promise.reject(new AdoptionError("the daemon does not answer"));
  };
  expect(await refusal(giveGuestBack(adoption, back, ports))).toContain(
    "the daemon does not answer; the metadata could not be put back: setMetadata live refused",
  );
  expect(guest.nics).toEqual({ live: "filtered", config: "filtered" });
  expect(store.guestAdoptions).toEqual([adoption]);
});

test("given back, libvirt's rules stand before ours go", async () => {
  await adoptGuest(adoption, change, ports);
  guest.calls.length = 0;
  await giveGuestBack(adoption, back, ports);
  expectNothingChanged();
  expect(guest.calls.slice(0, 3)).toEqual([
    "updateNic live",
    "updateNic config",
    "setMetadata live",
  ]);
});

test("a backup that cannot be written stops it at once", async () => {
  store.isDiskFull = true;
  expect(await refusal(adoptGuest(adoption, change, ports))).toContain("no space left");
  expect(guest.calls).toEqual([]);
});

import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StateError } from "../../ports/state.ts";
import { StateFolder } from "./state-folder.ts";

const state = { policy: [{ file: "policy.yaml", text: "guests: {}\n" }] };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "virtwall-"));
});

afterEach(() => rm(folder, { recursive: true }));

test("what was saved is loaded, and no other file is left", async () => {
  const store = new StateFolder(join(folder, "made/by/save"));
  expect(await store.load()).toBeUndefined();
  await store.save(state);
  expect(await store.load()).toEqual(state);
  expect(await readdir(join(folder, "made/by/save"))).toHaveLength(2);
});

test("a save that fails keeps the state before it", async () => {
  const store = new StateFolder(folder);
  await store.save(state);
  // The temporary file's name is taken by a folder: the write fails as on a full disk.
  await mkdir(join(folder, `.last-good-policy.json.${process.pid}.new`, "x"), { recursive: true });
  await expect(store.save({ ...state, policy: [] })).rejects.toThrow(StateError);
  expect((await store.load())?.policy).toEqual(state.policy);
});

test("a state that makes no sense is a refusal", async () => {
  await writeFile(join(folder, "last-good-policy.json"), '[{"file":1}]');
  await expect(new StateFolder(folder).load()).rejects.toThrow(StateError);
});

const adoption = {
  network: "../a b/é",
  xml: { before: "<network/>", after: "<network><forward mode='open'/></network>" },
  policy: { file: "policy.yaml", before: undefined, after: "networks: {}\n" },
  keys: { mode: "nat" },
};

test("adopted networks are kept, whatever their names, and removed without a trace", async () => {
  const store = new StateFolder(join(folder, "state"));
  expect(await store.loadAdoptions()).toEqual([]);
  await store.saveAdoption(adoption);
  await store.saveAdoption({ ...adoption, network: "default" });
  const names = (await store.loadAdoptions()).map(({ network }) => network);
  expect(names.toSorted()).toEqual(["../a b/é", "default"]);
  expect(await store.loadAdoptions()).toContainEqual(JSON.parse(JSON.stringify(adoption)));
  for (const name of names) await store.removeAdoption(name);
  await store.clear();
  expect(await readdir(folder)).toEqual([]);
});

test("filters are saved with the policy, and what is none is a refusal", async () => {
  const store = new StateFolder(folder);
  const saved = { policy: [], filters: { filters: [], ownFilters: [] } };
  await store.save(saved);
  expect(await store.load()).toEqual(saved);
  const { policy } = state;
  await writeFile(join(folder, "last-good-policy.json"), JSON.stringify(policy));
  expect(await store.load()).toEqual({ policy });
  for (const filters of [[], null, { filters: [] }]) {
    await writeFile(join(folder, "last-good-policy.json"), JSON.stringify({ policy, filters }));
    await expect(store.load()).rejects.toThrow(StateError);
  }
});

test("what was understood of the policy is kept beside it, and is not missed", async () => {
  const store = new StateFolder(join(folder, "state"));
  await store.save({ ...state, parsed: "{}" });
  expect(await store.load()).toEqual({ ...state, parsed: "{}" });
  await store.save(state);
  expect((await store.load())?.parsed).toBe("{}");
  await rm(join(folder, "state/parsed-policy.json"));
  await mkdir(join(folder, "state/parsed-policy.json"));
  expect(await store.load()).toEqual(state);
  await rm(join(folder, "state/parsed-policy.json"), { recursive: true });
  await store.save({ ...state, parsed: "{}" });
  await store.clear();
  expect(await readdir(folder)).toEqual([]);
});

test("adopted guests are kept beside them", async () => {
  const store = new StateFolder(join(folder, "state"));
  const guest = {
    guest: "web1",
    uuid: "11111111-2222-3333-4444-555555555555",
    nics: [{ mac: "52:54:00:00:00:01", filterRef: { live: "<filterref filter='a'/>" } }],
    metadata: { live: { after: "<guest/>" } },
  };
  await store.saveAdoption(adoption);
  await store.saveGuestAdoption(guest);
  expect(await store.loadGuestAdoptions()).toEqual([guest]);
  expect(await store.loadAdoptions()).toHaveLength(1);
  await store.removeAdoption(adoption.network);
  await store.removeGuestAdoption(guest.uuid);
  await store.clear();
  expect(await readdir(folder)).toEqual([]);
});

test("a backup that is not to be removed is a refusal", async () => {
  const store = new StateFolder(folder);
  await mkdir(join(folder, "adopted", "network-n.json"), { recursive: true });
  await expect(store.removeAdoption("n")).rejects.toThrow(StateError);
});

test("a backup of a network that makes no sense is a refusal, not the lack of one", async () => {
  const store = new StateFolder(folder);
  await store.saveAdoption(adoption);
  for (const text of ["{", "null", '{"network":"n"}']) {
    await writeFile(join(folder, "adopted", "n.json"), text);
    await expect(store.loadAdoptions()).rejects.toThrow(StateError);
  }
});

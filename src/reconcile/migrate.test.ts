import { expect, test } from "vitest";
import { NetworkError } from "../ports/networks.ts";
import { SourceError } from "../ports/sources.ts";
import { migrate, type Migration, type MigrationPorts } from "./migrate.ts";
import { AdoptionError } from "./step-back.ts";

const whole: Migration = { settings: { before: "old", after: "new" }, isRestartDue: true };

/** What was done, in order. `failing` is the step that does not come to pass. */
function site(failing = "", hasSystemd = true): { ports: MigrationPorts; done: string[] } {
  const done: string[] = [];
  const step = (name: string): Promise<void> => {
    if (name === failing) return Promise.reject(new AdoptionError(`${name} failed`));
    done.push(name);
    return Promise.resolve();
  };
  const ports: MigrationPorts = {
    driver: {
      writeSettings: (text) => step(`write ${text}`),
      restoreSettings: (text) => step(`restore ${text}`),
      restart: async () => {
        if (hasSystemd) await step("restart");
        return hasSystemd;
      },
    },
    untilSettled: () => step("settled"),
    hooks: { retire: () => step("retire"), revive: () => step("revive") },
    leftovers: {
      remove: () => step("remove"),
      restore: () => step("put back"),
      removeNew: () => step("clear"),
    },
    untilReached: () => step("reached"),
    tell: () => undefined,
  };
  return { ports, done };
}

test("settings first, then the restart; hooks and leftovers go once libvirt's rules stand", async () => {
  const { ports, done } = site();
  expect(await migrate(whole, ports)).toBe("migrated");
  expect(done).toEqual(["write new", "restart", "settled", "retire", "remove", "reached"]);
});

test("a guest that is not reached brings the scripts back, then the settings, then libvirt's rules", async () => {
  const { ports, done } = site("reached");
  await expect(migrate(whole, ports)).rejects.toThrow(
    "reached failed; everything is as it was before",
  );
  expect(done.slice(-4)).toEqual(["revive", "restore old", "restart", "clear"]);
});

test("where libvirt does not start anew, what was removed is put back", async () => {
  const { ports, done } = site("reached");
  await expect(migrate({ isRestartDue: false }, ports)).rejects.toThrow(AdoptionError);
  expect(done).toEqual(["settled", "retire", "remove", "put back", "revive"]);
});

test("a removal that fails halfway is undone too", async () => {
  const { ports, done } = site("remove");
  await expect(migrate({ isRestartDue: false }, ports)).rejects.toThrow(AdoptionError);
  expect(done).toEqual(["settled", "retire", "put back", "revive"]);
});

test.each([
  [new SourceError("virsh does not answer"), AdoptionError],
  [new TypeError("a fault of ours"), Error],
])("%s undoes everything", async (error, kind) => {
  const { ports, done } = site();
  const untilReached = () => Promise.reject(error);
  const failure = await migrate(whole, { ...ports, untilReached }).catch((cause: unknown) => cause);
  expect(failure).toBeInstanceOf(kind);
  expect(failure).toMatchObject({
    message: `${error.message}; everything is as it was before`,
    cause: error,
  });
  expect(done.slice(-4)).toEqual(["revive", "restore old", "restart", "clear"]);
});

test("settings that cannot be put back are named, and libvirt's rules of now stay", async () => {
  const { ports, done } = site("reached");
  const driver = {
    ...ports.driver,
    restoreSettings: () => Promise.reject(new NetworkError("read-only")),
  };
  await expect(migrate(whole, { ...ports, driver })).rejects.toThrow(
    "what libvirt had could not be put back: read-only",
  );
  expect(done.slice(-2)).toEqual(["remove", "revive"]);
});

test("where nobody can restart libvirt, nothing but its settings is written", async () => {
  const { ports, done } = site("", false);
  expect(await migrate(whole, ports)).toBe("restart due");
  expect(done).toEqual(["write new"]);
});

test("a libvirt that was restarted meanwhile is not restarted again", async () => {
  const { ports, done } = site();
  await migrate({ isRestartDue: false }, ports);
  expect(done).toEqual(["settled", "retire", "remove", "reached"]);
});

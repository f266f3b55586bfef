import { expect, test } from "vitest";
import { NetworkError } from "../ports/networks.ts";
import { SourceError } from "../ports/sources.ts";
import { migrate, type Migration, type MigrationPorts } from "./migrate.ts";
import { AdoptionError } from "./step-back.ts";

const whole: Migration = { settings: { before: "old", after: "new" }, isRestartDue: true };

/** What was done, in order. The steps that are named do not come to pass. */
function site(...failing: readonly string[]): {
  ports: MigrationPorts;
  done: string[];
} {
  const done: string[] = [];
  const step = (name: string): Promise<void> => {
    if (failing.includes(name)) return Promise.reject(new AdoptionError(`${name} failed`));
    done.push(name);
    return Promise.resolve();
  };
  const ports: MigrationPorts = {
    driver: {
      writeSettings: (text) => step(`write ${text}`),
      restoreSettings: (text) => step(`restore ${text}`),
      restart: async () => {
        await step("restart");
        return true;
      },
    },
    untilSettled: () => step("settled"),
    hooks: {
      removeRules: () => step("rules go"),
      restoreRules: () => step("rules come back"),
      retire: () => step("retire"),
      revive: () => step("revive"),
    },
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

/** Rules of a script that is in place no more would be nobody's: who is killed behind any step leaves none of those. */
const going = ["settled", "rules go", "retire", "rules go", "remove"];

test("settings first, then the restart; hooks and leftovers go once libvirt's rules stand", async () => {
  const { ports, done } = site();
  expect(await migrate(whole, ports)).toBe("migrated");
  expect(done).toEqual(["write new", "restart", ...going, "reached"]);
});

const back = ["revive", "rules come back"];

test("a guest that is not reached brings the scripts back, then the settings, then libvirt's rules", async () => {
  const { ports, done } = site("reached");
  await expect(migrate(whole, ports)).rejects.toThrow(
    "reached failed; everything is as it was before",
  );
  expect(done.slice(-5)).toEqual([...back, "restore old", "restart", "clear"]);
});

test("where libvirt does not start anew, what was removed is put back", async () => {
  const { ports, done } = site("reached");
  await expect(migrate({ isRestartDue: false }, ports)).rejects.toThrow(AdoptionError);
  expect(done).toEqual([...going, "put back", ...back]);
});

test("a removal that fails halfway is undone too", async () => {
  const { ports, done } = site("remove");
  await expect(migrate({ isRestartDue: false }, ports)).rejects.toThrow(AdoptionError);
  expect(done).toEqual([...going.slice(0, -1), "put back", ...back]);
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
  expect(done.slice(-5)).toEqual([...back, "restore old", "restart", "clear"]);
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
  expect(done.slice(-3)).toEqual(["remove", ...back]);
});

test("each step back that fails is named, and keeps no other away", async () => {
  const { ports, done } = site("reached", "revive", "restore old");
  await expect(migrate(whole, ports)).rejects.toThrow(
    "reached failed; the hook scripts could not be put back: revive failed; " +
      "what libvirt had could not be put back: restore old failed",
  );
  expect(done.slice(-2)).toEqual(["remove", "rules come back"]);
});

test("settings that were the new ones before are not brought back, nor are the rules taken that libvirt writes by them", async () => {
  const { ports, done } = site("reached");
  await expect(migrate({ isRestartDue: true }, ports)).rejects.toThrow(
    "what libvirt had could not be put back: its settings were the new ones before this began",
  );
  expect(done).toEqual(["restart", ...going, "put back", ...back]);
});

test("where nobody can restart libvirt, nothing but its settings is written", async () => {
  const { ports, done } = site();
  const driver = { ...ports.driver, restart: () => Promise.resolve(false) };
  expect(await migrate(whole, { ...ports, driver })).toBe("restart due");
  expect(done).toEqual(["write new"]);
});

test("a libvirt that was restarted meanwhile is not restarted again", async () => {
  const { ports, done } = site();
  await migrate({ isRestartDue: false }, ports);
  expect(done).toEqual([...going, "reached"]);
});

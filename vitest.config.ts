import { defineConfig } from "vitest/config";

/** How long `expect.poll` waits unless it is told: vitest's second is too short where the processors are shared. */
const patience = (timeout: number) => ({ expect: { poll: { timeout } } });

/** One process for many files, since most of their time would go into starting: the rooms they test hold no state. */
const together = { isolate: false, testTimeout: 20_000, ...patience(15_000) };

/** A file at a time: many measure times, and those of the kernel and boot tiers share namespaces. */
const oneByOne = { fileParallelism: false, maxWorkers: 1, ...patience(60_000) };

export default defineConfig({
  test: {
    passWithNoTests: true,
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts"],
          exclude: ["src/**/*.property.test.ts"],
          ...together,
        },
      },
      {
        test: {
          name: "cases",
          include: ["test/cases/**/*.test.ts", "test/docs/**/*.test.ts"],
          ...together,
        },
      },
      {
        test: {
          name: "properties",
          include: ["src/**/*.property.test.ts", "test/properties/**/*.test.ts"],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "canary",
          include: ["test/canary/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          globalSetup: ["test/setup/private-namespace.ts"],
          ...oneByOne,
        },
      },
      {
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          ...oneByOne,
        },
      },
      {
        test: {
          name: "libvirt",
          include: ["test/libvirt/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // The lab's worlds are namespaces of their own; its image cache is filled from outside of them.
          ...oneByOne,
        },
      },
      {
        test: {
          name: "boot",
          include: ["test/boot/**/*.test.ts"],
          testTimeout: 1_800_000,
          hookTimeout: 1_800_000,
          globalSetup: ["test/setup/private-namespace.ts"],
          ...oneByOne,
        },
      },
    ],
  },
});

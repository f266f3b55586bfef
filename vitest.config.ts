import { defineConfig } from "vitest/config";

/** Tests of these two projects change links and rulesets: one file at a time, inside a namespace of their own only. */
const privateNamespace = {
  globalSetup: ["test/setup/private-namespace.ts"],
  fileParallelism: false,
  maxWorkers: 1,
};

export default defineConfig({
  test: {
    passWithNoTests: true,
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts"],
          exclude: ["src/**/*.property.test.ts"],
        },
      },
      { test: { name: "cases", include: ["test/cases/**/*.test.ts", "test/docs/**/*.test.ts"] } },
      {
        test: {
          name: "properties",
          include: ["src/**/*.property.test.ts", "test/properties/**/*.test.ts"],
          testTimeout: 120_000,
        },
      },
      { test: { name: "canary", include: ["test/canary/**/*.test.ts"], testTimeout: 60_000 } },
      {
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...privateNamespace,
        },
      },
      {
        test: {
          name: "libvirt",
          include: ["test/libvirt/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          ...privateNamespace,
        },
      },
    ],
  },
});

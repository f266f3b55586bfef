import { existsSync } from "node:fs";
import { defineConfig } from "rolldown";

/** One file a program, so that the gate carries nothing of the daemon. */
const programs = {
  cli: "src/cli/main.ts",
  daemon: "src/daemon/main.ts",
  gate: "src/gate/main.ts",
  "lab/demo": "lab/demo/main.ts",
  "system/manual": "system/manual/main.ts",
  "bench/main": "bench/main.ts",
};

export default defineConfig(
  Object.entries(programs)
    .filter(([, source]) => existsSync(source))
    .map(([name, source]) => ({
      input: { [name]: source },
      platform: "node",
      external: ["koffi"],
      output: {
        dir: "dist",
        format: "esm",
        entryFileNames: "[name].js",
        // What finds its neighbours by import.meta.url stands in dist/ itself, and no file of an older build is left beside it.
        codeSplitting: false,
        sourcemap: true,
      },
    })),
);

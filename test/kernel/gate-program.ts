import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const source = fileURLToPath(new URL("../../src/gate/main.ts", import.meta.url));
/** Below node_modules, so that the bundle finds koffi there. */
const file = fileURLToPath(
  new URL(`../../node_modules/.cache/virtwall/gate-${process.pid}.js`, import.meta.url),
);

/** The command that runs the gate of this tree, bundled as it is shipped. */
export async function buildGate(): Promise<readonly string[]> {
  const bundle = await rolldown({ input: source, platform: "node", external: ["koffi"] });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  return [process.execPath, file];
}

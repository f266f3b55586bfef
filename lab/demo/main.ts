// `npm run demo`: the same guests behind the same host firewall, without virtwall and with it.
import { LabError } from "../run-program.ts";
import { startWorld } from "../world.ts";
import { printMeasurements, type Measurement } from "./measurement.ts";
import { setStage } from "./stage.ts";
import { measureWithVirtwall } from "./with-virtwall.ts";
import { measureWithoutVirtwall } from "./without-virtwall.ts";

const startedAt = Date.now();

function say(line: string): void {
  const seconds = ((Date.now() - startedAt) / 1_000).toFixed(0).padStart(3);
  process.stdout.write(`${seconds} s  ${line}\n`);
}

async function demo(): Promise<number> {
  say("making a private world: own network, mounts and processes; your machine's stay as they are");
  const world = await startWorld();
  const columns: Measurement[] = [];
  try {
    const stage = await setStage(world, say);
    columns.push(...(await measureWithoutVirtwall(stage, say)));
    const { measurement, status } = await measureWithVirtwall(stage, say);
    process.stdout.write(`\n${printMeasurements([...columns.splice(0), measurement])}\n`);
    process.stdout.write(`\n$ virtwall status\n${status}\n`);
    const shortfall = whatFellShort(measurement);
    for (const line of shortfall) process.stdout.write(`NOT AS PROMISED: ${line}\n`);
    say("done; everything above is gone again");
    process.stdout.write(
      "\nWhere to go on: README.md (install, first policy), docs/ (policy, commands, how it works)\n",
    );
    return shortfall.length === 0 ? 0 : 1;
  } finally {
    // Reached with columns only when virtwall's half failed: what was measured before is shown all the same.
    if (columns.length > 0) process.stdout.write(`\n${printMeasurements(columns)}\n\n`);
    await world.stop();
  }
}

/** What the demo claims of virtwall and did not see. */
function whatFellShort({ pages, stream, reachesOutside }: Measurement): string[] {
  const missed = Object.entries(pages)
    .filter(([, got]) => !got)
    .map(([who]) => `no page for the ${who}`);
  if (!reachesOutside) missed.push("a guest no longer reaches the outside");
  if (stream.datagrams.lost > 0) missed.push(`${stream.datagrams.lost} packets lost`);
  if (stream.connections.failed > 0) missed.push(`${stream.connections.failed} connections failed`);
  return missed;
}

// Leaving by process.exit closes the world's standard input, which ends it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
setTimeout(() => {
  process.stderr.write("demo: not done after 5 minutes, giving up\n");
  process.exit(3);
}, 300_000).unref();

try {
  process.exitCode = await demo();
} catch (cause) {
  if (!(cause instanceof LabError)) throw cause;
  process.stderr.write(`demo: ${cause.message}\n`);
  process.exitCode = 3;
}

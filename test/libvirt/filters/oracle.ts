import { startWorld } from "../../../lab/world.ts";
import { packetText } from "../../world/packet.ts";
import { type BoundFilter, startFilterDriver } from "./filter-driver.ts";
import { bindOurs } from "./our-filter.ts";
import { bridged, isForged, type RandomStep } from "./random-steps.ts";
import { makeStage, type Stage } from "./stage.ts";

/** Two stages alike: one filtered by libvirt's own driver, the other by virtwall. */
export interface Oracle {
  readonly libvirts: Stage;
  readonly ours: Stage;
  bindLibvirts(filter: BoundFilter): Promise<void>;
  bindOurs(filter: BoundFilter): Promise<void>;
  stop(): Promise<void>;
}

export async function startOracle(): Promise<Oracle> {
  const lab = await startWorld();
  try {
    const libvirts = await makeStage(lab);
    const ours = await makeStage(lab, { namespace: "ours" });
    const driver = await startFilterDriver(lab);
    return {
      libvirts,
      ours,
      bindLibvirts: async (filter) => {
        await driver.bind(filter);
        await libvirts.forgetFlows();
      },
      bindOurs: async (filter) => {
        await bindOurs(ours, filter);
        await ours.forgetFlows();
      },
      stop: () => lab.stop(),
    };
  } catch (cause) {
    await lab.stop();
    throw cause;
  }
}

/** What became of a packet on both stages. */
export interface Verdicts {
  readonly step: RandomStep;
  /** Places it came out at. */
  readonly libvirts: string;
  readonly ours: string;
}

/** Sends the same packets on both stages, in turn. */
export async function compare(oracle: Oracle, steps: readonly RandomStep[]): Promise<Verdicts[]> {
  const libvirts = await oracle.libvirts.send(steps.map(bridged));
  const ours = await oracle.ours.send(steps);
  return steps.map((step, i) => ({ step, libvirts: libvirts[i] ?? "", ours: ours[i] ?? "" }));
}

/** A frame under another's MAC passes nowhere with virtwall, whatever the filter says. */
export function differs({ step, libvirts, ours }: Verdicts): boolean {
  return ours !== (isForged(step) ? "" : libvirts);
}

/** Without packets that follow one which has not arrived from beyond the bridge: see `flowBody`. */
export function comparable(verdicts: readonly Verdicts[]): Verdicts[] {
  const lost = new Set<RandomStep>();
  for (const { step, ours } of verdicts) {
    if (ours === "" && (step.from === "host" || step.from === "world")) lost.add(step);
  }
  return verdicts.filter(({ step }) => step.opener === undefined || !lost.has(step.opener));
}

export function verdictText({ step, libvirts, ours }: Verdicts): string {
  const place = (places: string) => (places === "" ? "nowhere" : places);
  const [theirs, own] = [place(libvirts), place(ours)];
  return `from ${step.from} to ${theirs} (libvirt), ${own} (virtwall): ${packetText(step.packet)}`;
}

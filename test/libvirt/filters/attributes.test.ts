import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorld, type World } from "../../../lab/world.ts";
import { type Attribute, attributeCase, stepText, wrongSteps } from "./attribute.ts";
import { ethernetCases } from "./ethernet-attributes.ts";
import { startFilterDriver, type FilterDriver } from "./filter-driver.ts";
import { packetCases } from "./packet-attributes.ts";
import { makeStage, type Stage } from "./stage.ts";

let lab: World;
let libvirts: Stage;
let driver: FilterDriver;
beforeAll(async () => {
  lab = await startWorld();
  libvirts = await makeStage(lab);
  driver = await startFilterDriver(lab);
});
afterAll(() => lab?.stop());

const cases = [...ethernetCases, ...packetCases];

describe.each(cases.map((one) => [one.protocol, one] as const))("%s", (_, one) => {
  const isTaken = ({ libvirtRefuses }: Attribute) => libvirtRefuses === undefined;
  const taken = { ...one, attributes: one.attributes.filter(isTaken) };

  test("libvirt drops what each attribute says, and nothing else", async () => {
    const { filter, steps } = attributeCase(taken);
    await driver.bind(filter);
    const wrong = wrongSteps(steps, await libvirts.send(steps));
    const unexpected = wrong.filter(({ attribute }) => attribute.libvirtErrs === undefined);
    expect(unexpected.map(stepText)).toEqual([]);
    const erred = new Set(wrong.map(({ attribute }) => attribute.is));
    const erring = taken.attributes.filter(({ libvirtErrs }) => libvirtErrs !== undefined);
    expect(erring.map(({ is }) => is).filter((is) => !erred.has(is))).toEqual([]);
  });

  const refused = one.attributes.filter((attribute) => !isTaken(attribute));
  test.runIf(refused.length > 0)("libvirt refuses what it is said to refuse", async () => {
    for (const attribute of refused) {
      const { filter } = attributeCase({ ...one, attributes: [attribute] });
      await expect(driver.bind(filter)).rejects.toThrow();
    }
  });
});

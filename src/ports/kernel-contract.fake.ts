import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Table } from "../nft/ast.ts";
import { accept, drop, equal, iifname, reference, value } from "../nft/build.ts";
import { KernelError, type Kernel, type KernelEvent } from "./kernel.ts";

export interface KernelUnderContract {
  readonly kernel: Kernel;
  /** Said before a commit that will be taken: what its script makes of the tables. */
  readonly willBecome: (tables: readonly Table[]) => void;
  /** Said before a commit that will be refused. */
  readonly willRefuse: () => void;
  readonly close: () => void | Promise<void>;
}

const script = `flush chain inet virtwall c
add set inet virtwall s { type ifname; }
add element inet virtwall s { "vnet0" }
add rule inet virtwall c iifname @s drop
add rule inet virtwall c accept
`;

const madeTable: Table = {
  family: "inet",
  name: "virtwall",
  sets: [
    { name: "s", type: ["ifname"], flags: [], counter: false, elements: [{ key: value("vnet0") }] },
  ],
  chains: [
    {
      name: "c",
      rules: [{ statements: [equal(iifname, reference("s")), drop] }, { statements: [accept] }],
    },
  ],
};

/** What every kernel promises, the real one and the one in memory. `open` gives one without tables of ours, or with empty ones. */
export function kernelContract(name: string, open: () => Promise<KernelUnderContract>): void {
  describe(`the kernel's contract: ${name}`, () => {
    let under: KernelUnderContract;
    let tables: readonly Table[] = [];
    const ours = async (): Promise<readonly Table[]> =>
      (await under.kernel.readTables()).filter(({ chains }) => chains.length > 0);

    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    it("has no rules of ours at first", async () => {
      expect(await ours()).toEqual([]);
    });

    it("tells of a commit, and reads back what it made", async () => {
      const events: KernelEvent[] = [];
      const heard = new Promise<void>((resolve) => {
        const end = under.kernel.watch((event) => {
          events.push(event);
          if (event.kind === "lost" && events.length === 1) void commitBoth();
          if (event.kind === "changed" && event.tables.some((table) => table.name === "virtwall")) {
            end();
            resolve();
          }
        });
      });
      const commitBoth = async (): Promise<void> => {
        const bare: Table = { ...madeTable, sets: [], chains: [{ name: "c", rules: [] }] };
        under.willBecome([bare]);
        await under.kernel.commit("add table inet virtwall\nadd chain inet virtwall c\n");
        under.willBecome([madeTable]);
        await under.kernel.commit(script);
      };
      await heard;
      await expect.poll(ours).toEqual([madeTable]);
      tables = await under.kernel.readTables();
      expect(events[0]).toEqual({ kind: "lost" });
    });

    it("refuses a bad script as a whole, with the words and the script", async () => {
      under.willRefuse();
      const bad = "add chain inet virtwall d\nadd rule inet virtwall c jump nowhere\n";
      const error: unknown = await under.kernel.commit(bad).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(KernelError);
      expect(error).toMatchObject({ script: bad });
      expect((error as KernelError).message).toContain("line 2");
      expect(await under.kernel.readTables()).toEqual(tables);
    });

    it("says who owns the tables, or why nobody does", async () => {
      const ownership = await under.kernel.ownership();
      if (ownership.mode === "restore") expect(ownership.reason).not.toBe("");
    });

    it("keeps a seal until the next commit, and where others can change the tables none", async () => {
      const isOwner = (await under.kernel.ownership()).mode === "owner";
      expect(await under.kernel.readSeal()).toBeUndefined();
      await under.kernel.seal("these");
      expect(await under.kernel.readSeal()).toBe(isOwner ? "these" : undefined);
      await under.kernel.ownership();
      await under.kernel.readTables();
      expect(await under.kernel.readSeal()).toBe(isOwner ? "these" : undefined);
      under.willBecome(tables);
      await under.kernel.commit("add chain inet virtwall c\n");
      expect(await under.kernel.readSeal()).toBeUndefined();
    });

    it("never counts our tables among the foreign ones", async () => {
      const foreign = await under.kernel.readForeign();
      expect(foreign.filter((table) => table.name === "virtwall")).toEqual([]);
    });

    it("reads of our sets those alone that are wanted, and no chains", async () => {
      const bare = async (name: string) =>
        (await under.kernel.readSets((each) => each === name)).flatMap(({ sets, chains }) => [
          ...sets,
          ...chains,
        ]);
      expect(await bare("s")).toEqual(madeTable.sets);
      expect(await bare("c")).toEqual([]);
    });

    it("counts nothing where no element has a counter", async () => {
      expect(await under.kernel.readCounters()).toEqual([]);
    });

    it("is silent to a listener that has left", async () => {
      const events: KernelEvent[] = [];
      under.kernel.watch((event) => events.push(event))();
      under.willBecome(tables);
      await under.kernel.commit("add chain inet virtwall c\n");
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(events).toEqual([]);
    });

    it("removes our tables with their seal, and again without complaint", async () => {
      await under.kernel.seal("these");
      await under.kernel.removeTables();
      expect(await ours()).toEqual([]);
      expect(await under.kernel.readSeal()).toBeUndefined();
      await under.kernel.removeTables();
    });
  });
}

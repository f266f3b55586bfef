import type { DriverSettings } from "../ports/network-driver.ts";
import type { Backend } from "../reconcile/libvirt-backend.ts";
import { printColumns, printLines } from "./columns.ts";

/** The body of `virtwall migrate --json`. */
export interface MigrateResult {
  readonly to: Backend;
  /**
   * `possible`: what a dry run finds. `refused`: see `obstacles`; nothing was changed. `restart due`: libvirt's settings are written, and
   * the network driver has to be restarted by hand, then the command given once more.
   */
  readonly state: "migrated" | "possible" | "refused" | "restart due" | "nothing to do";
  readonly libvirt: string;
  /** libvirt's file that is edited, and the copy of it as it was; null where it says so already. */
  readonly settings: Pick<DriverSettings, "file" | "backup"> | null;
  /** Processes of libvirt that have to be started anew. */
  readonly restart: readonly string[];
  /** Hook scripts that go aside, and where. */
  readonly hooks: readonly { readonly file: string; readonly aside: string }[];
  /** Rules and tables that go, of libvirt's other backend and of the hook scripts. */
  readonly removed: readonly string[];
  /** Rules beside them that are not libvirt's, and stay. */
  readonly left: readonly string[];
  /** Who reaches whom, before and after: after a dry run as it would be. */
  readonly reach: readonly {
    readonly question: string;
    readonly before: string;
    readonly after: string;
  }[];
  readonly obstacles: readonly string[];
}

export function printMigration(result: MigrateResult): string {
  const { settings, hooks, removed, left, reach, obstacles, restart } = result;
  const rows = [["question", "before", "after"], ...reach.map((one) => Object.values(one))];
  const lines = [
    ...(settings === null ? [] : [`libvirt ${settings.file}: firewall_backend = "${result.to}"`]),
    ...restart.map((process) => `restart ${process}`),
    ...hooks.map(({ file, aside }) => `hook    ${file} goes to ${aside}`),
    ...removed.map((rule) => `removed ${rule}`),
    ...left.map((rule) => `left    ${rule}`),
  ];
  return printLines([
    ...lines,
    ...(reach.length === 0 ? [] : printColumns(rows, "").trimEnd().split("\n")),
    ...obstacles.map((obstacle) => `in the way: ${obstacle}`),
    verdict(result),
  ]);
}

function verdict({ state, to, libvirt, restart }: MigrateResult): string {
  switch (state) {
    case "migrated":
      return `libvirt ${libvirt} writes its rules with ${to} now`;
    case "possible":
      return `libvirt ${libvirt} can go over to ${to}; nothing was written yet`;
    case "refused":
      return "nothing was changed";
    case "restart due":
      return `no systemd runs here: restart ${restart.join(", ")}, then virtwall migrate --to ${to} once more`;
    case "nothing to do":
      return `libvirt ${libvirt} writes its rules with ${to} already, and nothing else is left`;
  }
}

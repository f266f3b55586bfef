import { askDaemon } from "../edge/socket/daemon-client.ts";
import type { GuestState } from "../model/state.ts";
import { printFilterXml } from "../parse/print-filter.ts";
import { collect } from "./collect.ts";
import { exitStatus, RefusedError, type ExitStatus } from "./exit-status.ts";
import { formatParameters, nicBindings, nobodyText, type NicBinding } from "./nic-bindings.ts";
import { printJson, type Output } from "./output.ts";
import { verdictOf } from "./print-problems.ts";
import { complain } from "./publish.ts";
import { findFilter, readFilters } from "./read-filters.ts";
import type { Settings } from "./settings.ts";
import { printTable } from "./table.ts";

/** As `virsh nwfilter-list`. */
export async function runFilterList(settings: Settings, output: Output): Promise<ExitStatus> {
  const filters = await readFilters(settings);
  if (settings.json) {
    const rows = filters.map(({ filter, uuid, from }) => {
      return { uuid, name: filter.name, from, file: from === "stock" ? null : filter.at.file };
    });
    printJson(output, { filters: rows });
  } else {
    const rows = filters.map(({ uuid, filter }) => [uuid, filter.name]);
    output.out(printTable(["UUID", "Name"], rows));
  }
  return exitStatus.ok;
}

/** As `virsh nwfilter-dumpxml`. */
export async function runFilterDump(
  settings: Settings,
  output: Output,
  word: string,
): Promise<ExitStatus> {
  const known = findFilter(await readFilters(settings), word);
  if (known === undefined) return complainUnknown(output, word);
  const { filter, uuid, from } = known;
  const xml = printFilterXml({ ...filter, uuid });
  if (settings.json) printJson(output, { uuid, name: filter.name, from, xml });
  else output.out(`${xml}\n`);
  return exitStatus.ok;
}

export function complainUnknown(output: Output, word: string): ExitStatus {
  const words = `failed to get nwfilter '${word}'`;
  return complain(output, `${words}: no nwfilter with matching name or uuid`);
}

/** As `virsh nwfilter-binding-list`, and whose each binding is. */
export async function runFilterBindings(settings: Settings, output: Output): Promise<ExitStatus> {
  const bindings = nicBindings(await readGuests(settings));
  if (settings.json) printJson(output, { bindings });
  else output.out(printTable(bindingHead, bindings.map(bindingRow)));
  return exitStatus.ok;
}

const bindingHead = ["Port Dev", "Filter", "Guest", "Enforced by", "Parameters"];

function bindingRow(binding: NicBinding): string[] {
  const { tap, mac, filter, guest, enforcedBy, parameters } = binding;
  const who = enforcedBy === "nobody" ? `nobody, ${nobodyText(binding)}` : enforcedBy;
  return [tap ?? mac, filter, guest, who, formatParameters(parameters)];
}

/** What the daemon has made of them, or would. */
async function readGuests(settings: Settings): Promise<readonly GuestState[]> {
  const reply = await askDaemon(settings.daemonSocket, { request: "status" });
  if (reply?.kind === "status") return reply.status.guests;
  const { decision } = await collect(settings);
  if (decision.desired) return decision.desired.compiled.guests;
  throw new RefusedError(`the policy has ${verdictOf(decision.problems)}: virtwall check`);
}

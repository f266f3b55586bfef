import { askParts } from "../edge/socket/daemon-client.ts";
import type { Filter } from "../model/filter.ts";
import type { Problem } from "../model/problem.ts";
import type { GuestState } from "../model/state.ts";
import { printFilterXml } from "../parse/print-filter.ts";
import { collect } from "./collect.ts";
import { exitStatus, type ExitStatus } from "./exit-status.ts";
import { formatParameters, nicBindings, nobodyText, type NicBinding } from "./nic-bindings.ts";
import { printJson, type Output } from "./output.ts";
import { printProblems, readTexts, verdictOf } from "./print-problems.ts";
import {
  findFilter,
  type KnownFilter,
  readFilters,
  readFormerFilters,
  unknownFilter,
} from "./read-filters.ts";
import type { Settings } from "./settings.ts";
import { printTable } from "./table.ts";

/** As `virsh nwfilter-list`; with `hasOrigin` a column more. */
export async function runFilterList(
  settings: Settings,
  output: Output,
  hasOrigin: boolean,
): Promise<ExitStatus> {
  const filters = await readFilters(settings);
  if (settings.json) {
    const rows = filters.map(({ filter, uuid, from }) => {
      const file = from === "stock" ? null : filter.at.file;
      return { uuid, name: filter.name, from, replacesStock: replacesStock(filter), file };
    });
    printJson(output, { filters: rows });
  } else {
    const cells = (known: KnownFilter) => [known.uuid, known.filter.name];
    const head = ["UUID", "Name"];
    output.out(
      hasOrigin
        ? printTable(
            [...head, "Origin"],
            filters.map((known) => [...cells(known), originText(known)]),
          )
        : printTable(head, filters.map(cells)),
    );
  }
  return exitStatus.ok;
}

function replacesStock({ origin }: Filter): boolean {
  return origin === "in place of stock";
}

function originText({ from, filter }: KnownFilter): string {
  return replacesStock(filter) ? `${from}, in place of stock` : from;
}

/** As `virsh nwfilter-dumpxml`. What is in force stays so when its file goes, and is shown. */
export async function runFilterDump(
  settings: Settings,
  output: Output,
  word: string,
): Promise<ExitStatus> {
  const present = findFilter(await readFilters(settings), word);
  const known = present ?? findFilter(await readFormerFilters(settings), word);
  if (known === undefined) throw unknownFilter(word);
  const { filter, uuid, from } = known;
  const xml = printFilterXml({ ...filter, uuid });
  if (settings.json) printJson(output, { uuid, name: filter.name, from, xml });
  else output.out(`${xml}\n`);
  if (present === undefined) {
    output.err(`warning: as it was in force last; ${filter.at.file} is gone or has errors\n`);
  }
  return exitStatus.ok;
}

/** As `virsh nwfilter-binding-list`, and whose each binding is. Exit status 1 where nothing of it is in force. */
export async function runFilterBindings(settings: Settings, output: Output): Promise<ExitStatus> {
  const { guests, problems } = await readGuests(settings);
  if (guests === undefined) {
    if (settings.json) printJson(output, { bindings: null, problems });
    else {
      output.err(printProblems(problems, await readTexts(problems)));
      const why = problems.length > 0 ? `: the policy has ${verdictOf(problems)}` : " yet";
      output.err(`virtwall: nothing is in force${why}\n`);
    }
    return exitStatus.problems;
  }
  const bindings = nicBindings(guests);
  if (settings.json) printJson(output, { bindings, problems });
  else output.out(printTable(bindingHead, bindings.map(bindingRow)));
  return exitStatus.ok;
}

const bindingHead = ["Port Dev", "Filter", "Guest", "Enforced by", "Parameters"];

function bindingRow(binding: NicBinding): string[] {
  const { tap, mac, filter, guest, enforcedBy, parameters } = binding;
  const who = enforcedBy === "nobody" ? `nobody, ${nobodyText(binding)}` : enforcedBy;
  return [tap ?? mac, filter, guest, who, formatParameters(parameters)];
}

interface Bound {
  /** Undefined where there is nothing to be in force. */
  readonly guests: readonly GuestState[] | undefined;
  readonly problems: readonly Problem[];
}

/** What the daemon has made of them, or would. */
async function readGuests(settings: Settings): Promise<Bound> {
  const told = await askParts(settings.daemonSocket, "policy", "guests");
  if (told !== undefined) {
    const { policy, guests } = told;
    const isNothing = policy.inForce === "none" || policy.inForce === "undecided";
    return { guests: isNothing ? undefined : guests, problems: policy.problems };
  }
  const { decision } = await collect(settings);
  return { guests: decision.desired?.compiled.guests, problems: decision.problems };
}

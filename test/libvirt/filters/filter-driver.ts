import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startLibvirtd } from "../../../lab/libvirt.ts";
import type { World } from "../../../lab/world.ts";
import { guest } from "./stage.ts";

/** A filter on a nic, with all filters that it refers to and that libvirt does not bring along. */
export interface BoundFilter {
  /** `<filter>` elements; those that another refers to come first. */
  readonly definitions: readonly string[];
  /** The name of the bound one. */
  readonly name: string;
  readonly parameters?: Readonly<Record<string, readonly string[]>>;
}

/** libvirt's own network filter driver, which filters the guest's tap of the stage around it. No guest is needed for that. */
export interface FilterDriver {
  /** Throws with libvirt's words where it refuses. */
  bind(filter: BoundFilter): Promise<void>;
  /** Takes away the binding and the definitions. */
  unbind(): Promise<void>;
}

export async function startFilterDriver(lab: World): Promise<FilterDriver> {
  await startLibvirtd(lab);
  const virsh = (commands: readonly string[]) =>
    lab.must(["virsh", "--quiet", "-c", "nwfilter:///system", commands.join("; ")], {
      timeoutMs: 120_000,
    });
  const undo: string[] = [];
  const unbind = async () => {
    const commands = undo.splice(0).toReversed();
    if (commands.length > 0) await virsh(commands);
  };
  return {
    unbind,
    bind: async (filter) => {
      await unbind();
      for (const [i, xml] of filter.definitions.entries()) {
        const file = join(lab.folder, `filter-${i}.xml`);
        await writeFile(file, xml);
        await virsh([`nwfilter-define ${file}`]);
        undo.push(`nwfilter-undefine ${/<filter\s+name=["']([^"']+)/.exec(xml)?.[1] ?? ""}`);
      }
      const file = join(lab.folder, "binding.xml");
      await writeFile(file, bindingXml(filter));
      await virsh([`nwfilter-binding-create ${file}`]);
      undo.push(`nwfilter-binding-delete ${guest.tap}`);
    },
  };
}

function bindingXml({ name, parameters = {} }: BoundFilter): string {
  const values = Object.entries(parameters).flatMap(([variable, list]) =>
    list.map((value) => `    <parameter name='${variable}' value='${value}'/>\n`),
  );
  return `<filterbinding>
  <owner><name>guest</name><uuid>0a0f2a2c-5d0e-4f4b-9d5c-525400000002</uuid></owner>
  <portdev name='${guest.tap}'/>
  <mac address='${guest.mac}'/>
  <filterref filter='${name}'>
${values.join("")}  </filterref>
</filterbinding>
`;
}

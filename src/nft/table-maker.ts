/** The program that keeps a table for itself, by the table's name. */
export type TableMaker = "libvirt" | "firewalld" | "docker";

const makers: readonly (readonly [name: RegExp, maker: TableMaker])[] = [
  [/^libvirt_(network$|nwfilter)/, "libvirt"],
  [/^firewalld$/, "firewalld"],
  [/^docker-bridges$/, "docker"],
];

export function tableMakerOf(name: string): TableMaker | undefined {
  return makers.find(([names]) => names.test(name))?.[1];
}

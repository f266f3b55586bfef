import { bullet, display, item, paragraph, printInline, section, subsection } from "./roff.ts";

/**
 * Our own pages as a part of a manual page. It knows what they use: headings of three levels, paragraphs, code, tables, and lists of
 * one level. Throws where a page holds anything else, so that none is shown wrongly.
 */
export function printMarkdown(text: string): string {
  return joinFences(text.split(/\n{2,}/))
    .map(printBlock)
    .join("");
}

/** Empty lines inside of code part no blocks. */
function joinFences(blocks: readonly string[]): string[] {
  const joined: string[] = [];
  let open: string | undefined;
  for (const block of blocks) {
    const text = open === undefined ? block : `${open}\n\n${block}`;
    open = (text.match(/^```/gm)?.length ?? 0) % 2 === 1 ? text : undefined;
    if (open === undefined) joined.push(text);
  }
  if (open !== undefined) throw new Error(`code without an end: ${open}`);
  return joined.filter((block) => block.trim() !== "");
}

function printBlock(block: string): string {
  const text = block.trim();
  const [, level, title] = /^(#{2,3}) (.+)$/.exec(text) ?? [];
  if (level !== undefined) {
    const heading = level === "##" ? section : subsection;
    return heading((title ?? "").replaceAll("`", ""));
  }
  const [, code] = /^```\w*\n([\s\S]*)\n```$/.exec(text) ?? [];
  if (code !== undefined) return display(code);
  if (text.startsWith("|")) return printTable(text.split("\n"));
  if (text.startsWith("- ")) return printList(text);
  if (/^(#|>|[*+] |[0-9]+\. |<|```)/.test(text)) throw new Error(`no place in a manual: ${text}`);
  // A list may follow its sentence at once.
  const list = text.indexOf("\n- ");
  if (list < 0) return paragraph(printInline(text));
  return paragraph(printInline(text.slice(0, list))) + printList(text.slice(list + 1));
}

function printList(text: string): string {
  const items = text.split(/^- /m).slice(1);
  return items.map((one) => bullet(printInline(one.trim().replaceAll(/\n +/g, "\n")))).join("");
}

/** The first column is the term; a column beyond the second is told with its title. */
function printTable([head = "", , ...rows]: readonly string[]): string {
  const titles = cellsOf(head);
  return rows
    .map((row) => {
      const [term = "", meaning = "", ...more] = cellsOf(row);
      const others = more.map((cell, index) => {
        const title = titles[index + 2] ?? "";
        return cell === "" ? "" : title === "" ? ` (${cell})` : ` (${title}: ${cell})`;
      });
      return item(printInline(term), printInline(meaning + others.join("")));
    })
    .join("");
}

function cellsOf(row: string): string[] {
  const cells = row.split(/(?<!\\)\|/).slice(1, -1);
  return cells.map((cell) => cell.trim().replaceAll("\\|", "|"));
}

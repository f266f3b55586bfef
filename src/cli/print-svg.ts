import { escapeControls } from "../base/quote.ts";
import { describeNetwork } from "./print-topology.ts";
import type { GuestView, Topology } from "./topology-view.ts";

/*
 * Everything stands below what comes before it, in boxes whose size follows from their text, so nothing can meet. Each text says how
 * wide it is (`textLength`), and is drawn so wide whatever the font.
 */

const cell = 7;
const lineHeight = 16;
const padding = 10;
const gap = 12;
const pageWidth = 1180;
/** The lines from the uplinks to the networks run here. */
const busX = 16;
const left = 40;
const longestText = 44;
const mostPublications = 6;

interface Box {
  readonly lines: readonly string[];
  readonly className: string;
  readonly width: number;
  readonly height: number;
}

export function printSvg(topology: Topology): string {
  const page = new Page();
  const world = page.row([boxOf(["world"], "world")]);
  const uplinks = topology.uplinks.map(({ name, addresses }) =>
    boxOf([name, ...addresses], "uplink"),
  );
  const uplinkEnd = page.row(uplinks.length === 0 ? [boxOf(["no uplink"], "uplink")] : uplinks);
  page.bus(world, uplinkEnd);
  for (const network of topology.networks) {
    const at = page.frame(
      [network.name, describeNetwork(network).join("  ")],
      network.guests.map(cardOf),
    );
    if (network.mode !== "isolated") page.bus(uplinkEnd, at);
  }
  if (topology.elsewhere.length > 0) {
    page.frame(["in no network"], topology.elsewhere.map(cardOf));
  }
  const { firewalls } = topology;
  const others = (firewalls ?? []).map(({ name, state }) => boxOf([name, state], "firewall"));
  page.frame([firewalls === null ? "other firewalls: not looked at" : "other firewalls"], others);
  return page.print();
}

function cardOf({ name, groups, nics, publications }: GuestView): Box {
  const shown = publications.slice(0, mostPublications);
  const left = publications.length - shown.length;
  return boxOf(
    [
      name,
      ...nics.flatMap(({ tap, mac, addresses, filter }) => [
        `${tap ?? "no tap"}  ${mac}`,
        ...(addresses.length === 0 ? ["no address"] : addresses),
        ...(filter === undefined ? [] : [`filter ${filter}`]),
      ]),
      ...(groups.length === 0 ? [] : [`groups ${groups.join(", ")}`]),
      ...shown.map((publication) => `< ${publication}`),
      ...(left > 0 ? [`< and ${left} more`] : []),
    ],
    "guest",
  );
}

function boxOf(lines: readonly string[], className: string): Box {
  const widest = Math.max(...lines.map((line) => widthOf(shorten(line))));
  return {
    lines,
    className,
    width: widest + 2 * padding,
    height: lines.length * lineHeight + padding,
  };
}

/** Draws from top to bottom. */
class Page {
  readonly #parts: string[] = [];
  #y = gap;

  /** Answers the height at which lines meet the boxes. */
  row(boxes: readonly Box[]): number {
    const y = this.#y + lineHeight / 2 + padding / 2;
    this.#place(boxes, left, pageWidth - gap);
    return y;
  }

  /** A box with a title around others. */
  frame(title: readonly string[], boxes: readonly Box[]): number {
    const top = this.#y;
    const cells = Math.floor((pageWidth - left - gap - 2 * padding) / cell);
    const texts = title.flatMap((line) => wrapped(line, cells));
    this.#y += texts.length * lineHeight + padding;
    const inner = this.#parts.length;
    if (boxes.length > 0) this.#place(boxes, left + gap, pageWidth - 2 * gap);
    const height = this.#y - top;
    this.#parts.splice(
      inner,
      0,
      rectangle({ x: left, y: top, width: pageWidth - left - gap, height }, "network"),
      ...texts.map((line, index) =>
        textAt(
          { x: left + padding, y: top + (index + 1) * lineHeight, isFirst: index === 0, cells },
          line,
        ),
      ),
    );
    this.#y += gap;
    return top + lineHeight / 2 + padding / 2;
  }

  /** From one height to another, along the left edge. */
  bus(from: number, to: number): void {
    this.#parts.push(`<path class="bus" d="M${left} ${from}H${busX}V${to}H${left}"/>`);
  }

  #place(boxes: readonly Box[], start: number, end: number): void {
    let [x, tallest] = [start, 0];
    for (const box of boxes) {
      if (x > start && x + box.width > end) {
        this.#y += tallest + gap;
        [x, tallest] = [start, 0];
      }
      this.#draw(box, x);
      x += box.width + gap;
      tallest = Math.max(tallest, box.height);
    }
    this.#y += tallest + gap;
  }

  #draw({ lines, className, width, height }: Box, x: number): void {
    const y = this.#y;
    this.#parts.push(
      rectangle({ x, y, width, height }, className),
      ...lines.map((line, index) =>
        textAt({ x: x + padding, y: y + (index + 1) * lineHeight, isFirst: index === 0 }, line),
      ),
    );
  }

  print(): string {
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${pageWidth} ${this.#y}" width="${pageWidth}" height="${this.#y}">
<style>${style}</style>
<rect class="page" width="${pageWidth}" height="${this.#y}"/>
${this.#parts.join("\n")}
</svg>
`;
  }
}

const style = [
  "text{font:12px monospace;fill:#1b1f24}",
  ".first{font-weight:bold}",
  "rect{rx:4;stroke:#57606a;fill:#fff}",
  ".page{fill:#fff;stroke:none}",
  ".world{fill:#ddf4ff}",
  ".uplink{fill:#ddf4ff}",
  ".network{fill:#f6f8fa}",
  ".firewall{fill:#fff8c5}",
  ".bus{fill:none;stroke:#57606a}",
].join("");

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function rectangle({ x, y, width, height }: Rectangle, className: string): string {
  return `<rect class="${className}" x="${x}" y="${y}" width="${width}" height="${height}"/>`;
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly isFirst: boolean;
  /** The most characters. */
  readonly cells?: number;
}

/** What is cut short stands whole in its title, which browsers show. */
function textAt({ x, y, cells = longestText, isFirst }: Place, text: string): string {
  const short = shorten(text, cells);
  const title = short === clean(text) ? "" : `<title>${escapeXml(clean(text))}</title>`;
  const width = `textLength="${widthOf(short)}" lengthAdjust="spacingAndGlyphs"`;
  const className = isFirst ? ' class="first"' : "";
  return `<text${className} x="${x}" y="${y}" ${width} xml:space="preserve">${title}${escapeXml(short)}</text>`;
}

/** By cells. */
function shorten(text: string, cells = longestText): string {
  const whole = clean(text);
  if (widthOf(whole) <= cells * cell) return whole;
  let short = "";
  for (const char of whole) {
    if (widthOf(`${short}${char}…`) > cells * cell) break;
    short += char;
  }
  return `${short}…`;
}

/** Broken between words where a line would be too long. */
function wrapped(text: string, cells: number): string[] {
  const lines: string[] = [];
  for (const word of text.split("  ")) {
    const last = lines.at(-1);
    if (last !== undefined && widthOf(`${last}  ${word}`) <= cells * cell) {
      lines[lines.length - 1] = `${last}  ${word}`;
    } else lines.push(word);
  }
  return lines;
}

/** XML has no form for some characters. */
function clean(text: string): string {
  return escapeControls(text).replaceAll(/[\u{FFFE}\u{FFFF}]/gu, "?");
}

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** In a terminal's cells, of which characters of East Asia and emoji take two. */
function widthOf(text: string): number {
  const wide =
    /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F000}-\u{1FAFF}\u{20000}-\u{3FFFD}]/gu;
  return ([...text].length + (text.match(wide)?.length ?? 0)) * cell;
}

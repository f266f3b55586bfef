/** Text as man(7) wants it: nothing in it is a request, an escape, or a typographic hyphen where a word is to be typed. */
export function escapeRoff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}

/** Inline Markdown: code and strong words are set in bold, links by their text alone, since their targets are other pages. */
export function printInline(text: string): string {
  return text
    .split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]+\))/)
    .map((part) => {
      const [, strong] = /^(?:`([^`]+)`)$/.exec(part) ?? /^\*\*([^*]+)\*\*$/.exec(part) ?? [];
      if (strong !== undefined) return `\\fB${escapeWithin(strong)}\\fR`;
      const [, linked] = /^\[([^\]]+)\]\(/.exec(part) ?? [];
      return linked === undefined ? escapeWithin(part) : printInline(linked);
    })
    .join("")
    .replace(/^(?=[.'])/gm, "\\&");
}

function escapeWithin(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
}

export function section(title: string, ...parts: readonly string[]): string {
  return `.SH ${quoteArgument(title)}\n${parts.join("")}`;
}

export function subsection(title: string, ...parts: readonly string[]): string {
  return `.SS ${quoteArgument(title)}\n${parts.join("")}`;
}

export function paragraph(inline: string): string {
  return `.PP\n${inline}\n`;
}

/** A term and what it means. */
export function item(term: string, meaning: string): string {
  return `.TP\n${term}\n${meaning === "" ? "\\&" : meaning}\n`;
}

export function bullet(inline: string): string {
  return `.IP \\(bu 2\n${inline}\n`;
}

/** Lines as they stand. */
export function display(text: string): string {
  return `.PP\n.RS 4\n.nf\n${escapeRoff(text)}\n.fi\n.RE\n`;
}

function quoteArgument(text: string): string {
  return `"${escapeWithin(text).replaceAll('"', '""')}"`;
}

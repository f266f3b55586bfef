const longest = 60;

/**
 * A foreign string for a message: in single quotes, control and invisible characters as `\xNN` or `\u{NNNN}`, cut to 60 characters, so that
 * it can neither move the cursor of a terminal nor fill a screen.
 */
export function quote(text: string): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return `'${escapeControls(cut)}'`;
}

/** Control, format (bidirectional overrides among them) and lone surrogate characters in visible form. */
export function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

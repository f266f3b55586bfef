/** The admin's own ruleset file and its backup beside it, `FILE.virtwall-backup`. Texts are the file's bytes, one a character. */
export interface RulesetFiles {
  /** Throws {@link RulesetFileError} for what is not there or not a plain file; a link is followed. */
  read(file: string): Promise<string>;
  /** Undefined where there is none. */
  readBackup(file: string): Promise<string | undefined>;
  /** nft's words about a text that stands in the file's place, so that its includes are found; undefined when nft takes it. */
  check(file: string, text: string): Promise<string | undefined>;
  /** The old text or the new one, whatever happens in between; mode and owner stay. */
  write(file: string, text: string): Promise<void>;
  /** With the file's mode and owner. The answer is the backup's name. */
  writeBackup(file: string, text: string): Promise<string>;
  removeBackup(file: string): Promise<void>;
}

/** The file cannot be read, changed or checked, in the machine's words. */
export class RulesetFileError extends Error {
  override readonly name = "RulesetFileError";
  readonly file: string;
  /** The package to install, where a program is missing. */
  readonly missing: string | undefined;

  constructor(
    message: string,
    evidence: { readonly file: string; readonly missing?: string; readonly cause?: unknown },
  ) {
    super(message, evidence.cause === undefined ? {} : { cause: evidence.cause });
    this.file = evidence.file;
    this.missing = evidence.missing;
  }
}

/** libvirt's network driver as a program with settings. Each throws {@link NetworkError} with libvirt's or systemd's words. */
export interface NetworkDriver {
  /** Of the libvirt that answers, such as `11.3.0`. */
  version(): Promise<string>;
  readSettings(): Promise<DriverSettings>;
  /** Keeps the file as it was as its backup, where there was one. */
  writeSettings(text: string): Promise<void>;
  /** Undoes that, backup and all. Undefined: there was no file. */
  restoreSettings(before: string | undefined): Promise<void>;
  /** The processes in which it runs. */
  running(): Promise<readonly string[]>;
  /** Those that run with settings older than those written. */
  outdated(): Promise<readonly string[]>;
  /** Restarts it by its unit and waits until it answers; guests run on. False where no systemd could. */
  restart(): Promise<boolean>;
}

export interface DriverSettings {
  readonly file: string;
  readonly backup: string;
  /** Undefined: there is no file. */
  readonly text: string | undefined;
}

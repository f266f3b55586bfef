/** Another program's firewall, or a ruleset of one, on the host of a world. */
export interface ForeignFirewall {
  /** As its service starts it. Resolves once its rules stand. */
  start(): Promise<void>;
  /** As an admin restarts or reloads it. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  /** All that it holds, in the words of its own programs. */
  listing(): Promise<string>;
  /** After {@link stop}. */
  close(): Promise<void>;
}

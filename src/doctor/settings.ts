import type { Finding, Fix } from "./examination.ts";

type Settings = ReadonlyMap<string, string>;

export interface WantedSetting {
  readonly path: string;
  readonly value: string;
}

/** As sysctl(8) writes it: dots between words, and a slash for the dot of an interface's name. */
export function settingName(path: string): string {
  return path
    .split("/")
    .map((word) => word.replaceAll(".", "/"))
    .join(".");
}

/** `net.ipv4.ip_forward = 0` */
export function settingText(settings: Settings, path: string): string {
  return `${settingName(path)} = ${settings.get(path) ?? "(not there)"}`;
}

export function sysctlText(wanted: readonly WantedSetting[]): string {
  const words = wanted.map(({ path, value }) => `${settingName(path)}=${value}`);
  return `sysctl -w ${words.join(" ")}`;
}

export function settingFix(wanted: readonly WantedSetting[]): Fix {
  const steps = wanted.map(({ path, value }) => ({ kind: "setting", path, value }) as const);
  return { text: sysctlText(wanted), steps };
}

/** Each of them that is there and otherwise, as evidence of one finding. */
export function settingsFinding(
  settings: Settings,
  wanted: readonly WantedSetting[],
  what: Pick<Finding, "severity" | "message">,
): Finding {
  const evidence = wanted.map(({ path }) => settingText(settings, path));
  return { ...what, evidence, fix: settingFix(wanted) };
}

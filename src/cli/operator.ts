import { userInfo } from "node:os";
import { parseAddress } from "../base/address.ts";
import { operatorAccess, type OperatorConnection } from "../check/operator-access.ts";
import { inheritedVariable } from "../edge/host/inherited-variable.ts";
import type { Problem } from "../model/problem.ts";
import type { Collected } from "./collect.ts";
import { hasErrors } from "./print-problems.ts";

/** Who gives this command: behind sudo the one who called it. */
export function operatorName(): string {
  return process.env["SUDO_USER"] ?? userInfo().username;
}

/**
 * The connection by which this command came, as sshd tells it (ssh(1), SSH_CONNECTION: client, its port, server, its port). Undefined
 * at the console.
 */
export function operatorConnection(
  text: string | undefined = inheritedVariable("SSH_CONNECTION"),
): OperatorConnection | undefined {
  const [client = "", , server = "", port = ""] = (text ?? "").split(" ");
  const [from, to] = [client, server].map((word) => parseAddress(word.replace(/%.*/, "")));
  if (!from || !to || !/^[0-9]{1,5}$/.test(port)) return undefined;
  return { client: from, server: to, port: Number(port) };
}

/** What would keep the operator from connecting once more. What has errors is not applied, and keeps nobody out. */
export function operatorCuts({ written, decision }: Collected): Problem[] {
  const connection = operatorConnection();
  if (connection === undefined || hasErrors(decision.problems)) return [];
  return operatorAccess(written.policy, written.inventory, connection);
}

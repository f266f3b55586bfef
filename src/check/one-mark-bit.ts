import { breach } from "./law.ts";
import type { PolicyLaw } from "./law.ts";

/** Foreign firewalls have bits of their own in the packet mark; ours is one. */
export const oneMarkBit: PolicyLaw = ({ host: { mark, at } }) => {
  const isOneBit = Array.from({ length: 32 }, (_, bit) => 2 ** bit).includes(mark);
  if (isOneBit) return [];
  const message = `the mark ${mark} is not one bit of 32`;
  return [breach("error", "BAD_MARK", { at, message, hint: "write it like 0x10000000" })];
};

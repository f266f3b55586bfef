/** A Linux interface name that is safe to print between nft's quotes. Made by {@link parseInterfaceName} only. */
export type InterfaceName = string & { readonly brand: "InterfaceName" };

/**
 * The kernel (dev_valid_name) takes any 1 to 15 bytes without `/`, `:` and white space. nft has no escape inside quotes and
 * reads a trailing `*` as a wildcard, so virtwall takes the alphabet that tools really use and refuses the rest. A leading `@` is
 * refused too: nft's JSON (1.0.6) shows an interface of that name and a reference to a set in the same way.
 */
export function parseInterfaceName(text: string): InterfaceName | undefined {
  return /^[A-Za-z0-9_.+-][A-Za-z0-9_.@+-]{0,14}$/.test(text) && text !== "." && text !== ".."
    ? (text as InterfaceName)
    : undefined;
}

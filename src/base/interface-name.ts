/** A Linux interface name that is safe to print between nft's quotes. Made by {@link parseInterfaceName} only. */
export type InterfaceName = string & { readonly brand: "InterfaceName" };

/**
 * The kernel (dev_valid_name) takes any 1 to 15 bytes without `/`, `:` and white space. nft has no escape inside quotes and
 * reads a trailing `*` as a wildcard, so virtwall takes the alphabet that tools really use and refuses the rest.
 */
export function parseInterfaceName(text: string): InterfaceName | undefined {
  return /^[A-Za-z0-9_.@+-]{1,15}$/.test(text) && text !== "." && text !== ".."
    ? (text as InterfaceName)
    : undefined;
}

/** struct sockaddr_un has no room for more beside the zero byte that ends it (unix(7)). */
const limitBytes = 107;

/** Why no socket can have the path: Node 20 cuts a longer one off without a word, and then several of a folder are one. */
export function refuseSocketPath(path: string): string | undefined {
  return Buffer.byteLength(path) > limitBytes
    ? `${path} is longer than ${limitBytes} bytes, which is all that the path of a socket may have`
    : undefined;
}

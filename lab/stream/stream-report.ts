/** What a packet stream sends, and where to. */
export interface StreamPlan {
  /** The published address, and the public ports of the guest's UDP echo and HTTP server. */
  readonly address: string;
  readonly udpPort: number;
  readonly httpPort: number;
  /** What the guest's page must contain for a connection to count as answered. */
  readonly page: string;
  readonly datagramsPerSecond: number;
  /** After so many datagrams the next ones come from a new port: a flow no firewall has seen before. */
  readonly datagramsPerFlow: number;
  readonly connectionsPerSecond: number;
}

/** What became of the stream. */
export interface StreamReport {
  readonly seconds: number;
  readonly datagrams: {
    readonly sent: number;
    /** Echoed by the guest and seen again by the client. */
    readonly arrived: number;
    readonly lost: number;
    readonly flows: number;
    /** The longest time in which no datagram that was sent came back, however late. */
    readonly longestGapMs: number;
    /** All such gaps of more than 100 ms together. */
    readonly darkMs: number;
  };
  readonly connections: {
    readonly started: number;
    /** The guest's page came within 5 s. */
    readonly answered: number;
    readonly failed: number;
    /** Answered, but after more than 900 ms: a lost SYN is repeated after 1 s. */
    readonly slow: number;
    readonly slowestMs: number;
  };
}

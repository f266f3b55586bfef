/**
 * The table of rooms, and the only place in code where it stands. Key: a folder under `src/`. Value: the rooms it may import
 * from besides itself. ARCHITECTURE.md repeats it for readers; test/canary/rooms-table.test.ts holds the two equal.
 */
export const rooms = {
  base: [],
  model: ["base"],
  nft: ["base"],
  xtables: ["base"],
  parse: ["base", "model"],
  check: ["base", "model"],
  compile: ["base", "model", "nft"],
  explain: ["base", "nft", "xtables"],
  import: ["base", "model", "xtables"],
  ports: ["base", "model", "nft", "xtables"],
  reconcile: ["base", "model", "nft", "xtables", "check", "compile", "ports"],
  doctor: ["base", "model", "xtables", "compile", "explain", "import", "ports", "reconcile"],
  wire: ["base", "model"],
  edge: ["base", "model", "nft", "xtables", "ports", "wire"],
  gate: ["base", "wire"],
  daemon: ["base", "model", "parse", "ports", "reconcile", "wire", "edge"],
  cli: [
    "base",
    "model",
    "nft",
    "xtables",
    "parse",
    "check",
    "compile",
    "explain",
    "import",
    "ports",
    "reconcile",
    "doctor",
    "wire",
    "edge",
  ],
};

/** Rooms that touch nothing: the same input gives the same output, on every machine and at every hour. */
export const pureRooms = [
  "base",
  "model",
  "nft",
  "xtables",
  "parse",
  "check",
  "compile",
  "explain",
  "import",
  "ports",
  "reconcile",
  "doctor",
];

const names = Object.keys(rooms);
const notProduct = "\\.(test|fake)\\.ts$";
const anyOf = (list) => `(${list.join("|")})`;

/** A room's wall. Tests are outside the walls: they may use a parser to build their input. */
function wall([room, allowed]) {
  return {
    name: `room-${room}`,
    comment:
      `A file in src/${room}/ may import from ${[room, ...allowed].join(", ")} and from no other room. ` +
      "Move the code to the room that its imports belong to, or pass the value in.",
    severity: "error",
    from: { path: `^src/${room}/`, pathNot: "\\.test\\.ts$" },
    to: { path: "^src/", pathNot: `^src/${anyOf([room, ...allowed])}/` },
  };
}

export default {
  forbidden: [
    ...Object.entries(rooms).map(wall),
    {
      name: "every-file-has-a-room",
      comment:
        "This file stands in a folder that the table of rooms does not know. Put it into a room, or add the room to the table " +
        "in .dependency-cruiser.mjs and to ARCHITECTURE.md.",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/${anyOf(names)}/` },
      to: {},
    },
    {
      name: "every-file-has-a-room",
      comment: "The file on the right stands in a folder that the table of rooms does not know.",
      severity: "error",
      from: {},
      to: { path: "^src/", pathNot: `^src/${anyOf(names)}/` },
    },
    {
      name: "every-file-has-a-room",
      comment: "This file stands in a folder that the table of rooms does not know.",
      severity: "error",
      from: { orphan: true, path: "^src/", pathNot: `^src/${anyOf(names)}/` },
      to: {},
    },
    {
      name: "no-cycles",
      comment: "These files import each other in a circle. Take out the part that both need.",
      severity: "error",
      from: { path: "^(src|test|lab|bench|system)/" },
      to: { circular: true },
    },
    {
      name: "pure-rooms-touch-nothing",
      comment:
        "This room is pure: it may not import a built-in of Node (src/base/ may ask node:net whether a text is an address). " +
        "Let a file in src/edge/ do it behind a port.",
      severity: "error",
      from: {
        path: `^src/${anyOf(pureRooms)}/`,
        pathNot: ["\\.test\\.ts$", "^src/base/address\\.ts$"],
      },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "base-asks-only-net",
      comment:
        "src/base/address.ts may import node:net, for isIPv4 and isIPv6, and no other built-in.",
      severity: "error",
      from: { path: "^src/base/address\\.ts$" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?net$" },
    },
    {
      name: "only-edge-runs-programs",
      comment:
        "Only src/edge/ may start another program. Ask for what you need through a port in src/ports/.",
      severity: "error",
      from: { path: "^src/", pathNot: ["^src/edge/", "\\.test\\.ts$"] },
      to: { path: "^(node:)?child_process$" },
    },
    {
      name: "only-the-gate-calls-libnftables",
      comment: "Only src/gate/ may import koffi: libnftables can abort the process that calls it.",
      severity: "error",
      from: { path: "^(src|lab|bench)/", pathNot: ["^src/gate/"] },
      to: { path: "node_modules/koffi/" },
    },
    {
      name: "fakes-stay-in-tests",
      comment: "A fake is for tests. The product takes the real thing through the port.",
      severity: "error",
      from: { path: "^src/", pathNot: notProduct },
      to: { path: "\\.fake\\.ts$" },
    },
    {
      name: "tests-are-not-imported",
      comment: "Nothing in src/ may import a test, the lab or the bench.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: ["\\.test\\.ts$", "^(lab|bench|scripts)/"] },
    },
    {
      name: "product-needs-only-dependencies",
      comment: "The product may use `dependencies` of package.json only.",
      severity: "error",
      from: { path: "^src/", pathNot: notProduct },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "imports-resolve",
      comment: "This import leads nowhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node"] },
  },
};

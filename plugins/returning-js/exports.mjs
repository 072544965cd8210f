// Checks that a module exports what the contract asks for: `node exports.mjs FILE INTERFACE FUNCTION`. Without this the component is
// made all the same, and traps when it is asked.
import { readFile, rm, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [file, name, asked] = process.argv.slice(2);
const copy = `${file}.check.mjs`;

// The gateway's interfaces exist only within the component: here a function that does nothing stands for each of theirs.
const source = await readFile(file, "utf8");
const alone = source
  .replace(/import\s*\{([^}]*)\}\s*from\s*["']wampgate:[^"']*["'];?/g, (_, names) =>
    names.replace(/(\w+)(?:\s+as\s+(\w+))?\s*,?/g, (_, name, own) => `const ${own ?? name} = () => {};`),
  )
  .replace(/import\s*\*\s*as\s+(\w+)\s+from\s*["']wampgate:[^"']*["'];?/g, "const $1 = {};");
await writeFile(copy, alone);
const module = await import(pathToFileURL(copy)).finally(() => rm(copy));

const missing =
  module[name] === undefined
    ? [name]
    : ["checkConfig", "needs", asked].filter((part) => typeof module[name]?.[part] !== "function").map((part) => `${name}.${part}`);
if (missing.length > 0) {
  const all = `export const ${name} = { checkConfig(config) {…}, needs(config) {…}, ${asked}(config, request) {…} };`;
  console.error(`${file} does not export ${missing.join(", ")}; the contract asks for\n\n    ${all}\n`);
  process.exit(1);
}

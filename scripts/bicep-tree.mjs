// Bicep sources on stdin (a JSON array of strings), their syntax trees on stdout (a JSON array of the same order):
// [type, start, end, line, children], where a leaf's children are absent and "ERROR" and "MISSING" are types too.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { Language, Parser } from 'web-tree-sitter';

const grammar = createRequire(import.meta.url).resolve('tree-sitter-bicep/tree-sitter-bicep.wasm');
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(grammar));

const plain = node => {
  const type = node.isMissing ? 'MISSING' : node.isError ? 'ERROR' : node.type;
  const leaf = [type, node.startIndex, node.endIndex, node.startPosition.row + 1];
  return node.childCount === 0 ? leaf : [...leaf, node.children.map(plain)];
};

const sources = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(sources.map(source => plain(parser.parse(source).rootNode))));

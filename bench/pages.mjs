// All figures in pages come from bench/results.json. A page marks each of them:
//
//   <!-- figure: durable.requests / ours, journal / a second -->19,560<!-- end -->
//   <!-- table: durable.requests / a second / ratio to raw BullMQ --> … <!-- end -->
//
// A mark takes the figure of the newest Node.js that was measured; `durable.requests@20` names a version. A table shows
// the named columns of all versions side by side. `npm run figures` fills the pages, and `npm run check:figures` fails if a
// page has another figure.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { table } from './figures.mjs';
import { readResults } from './results.mjs';
import { ROOT } from './servers/server-process.mjs';

const PAGES = ['README.md', 'docs/operating.md', 'docs/comparison.md', 'bench/RESULTS.md'];
/** In these pages every figure of speed must stand between marks. */
const STRICT = new Set(PAGES.slice(0, 3));

const MARK = /<!-- (figure|table): (.*?) -->(.*?)<!-- end -->/gs;
const SPEED = /\d[\d.,]*(?: ?µs|\/s\b| (?:tasks|requests)(?:\/s| a second))/g;

/** @returns `text` with the figures that its marks ask for. @throws Error if one was not measured */
export function filled(text, results) {
  return text.replaceAll(MARK, (_, kind, mark) => {
    const [source, ...names] = mark.split(' / ');
    const between =
      kind === 'figure'
        ? figure(results, source, names)
        : `\n\n${sideBySide(results, source, names)}\n\n`;
    return `<!-- ${kind}: ${mark} -->${between}<!-- end -->`;
  });
}

/** Figures of speed outside marks. */
export function unmarked(text) {
  return text.replaceAll(MARK, '').match(SPEED) ?? [];
}

/** The runs that `source` names, the newest Node.js first: `[major, table]` of each. */
function runs(results, source) {
  const [, benchmark, name, major] = /^(\w+)\.([\w-]+)(?:@(\d+))?$/.exec(source) ?? [];
  const found = Object.entries(results[benchmark] ?? {})
    .filter(([node, tables]) => (major === undefined || node === major) && name in tables)
    .map(([node, tables]) => [node, tables[name]])
    .toSorted(([a], [b]) => Number(b) - Number(a));
  if (found.length === 0) throw new Error(`${source} was not measured`);
  return found;
}

function figure(results, source, [row, column]) {
  const [[, { columns, rows }]] = runs(results, source);
  const cell = rows[row]?.[columns.indexOf(column)];
  if (cell === undefined) throw new Error(`${source} has no ${row} / ${column}`);
  return cell;
}

function sideBySide(results, source, names) {
  const found = runs(results, source);
  const columns = names.flatMap((name) =>
    found
      .filter(([, run]) => run.columns.includes(name))
      .map(([node, run]) => ({
        title: `${name}, Node ${node}`,
        at: run.columns.indexOf(name),
        run,
      })),
  );
  if (columns.length < names.length) throw new Error(`${source} lacks one of ${names.join(', ')}`);
  const rows = Object.keys(found[0][1].rows).map((row) =>
    [row].concat(columns.map(({ at, run }) => run.rows[row]?.[at] ?? '–')),
  );
  const conditions = found.map(([node, run]) => `Node ${node}: ${run.conditions}.`).join(' ');
  return `${table(['', ...columns.map(({ title }) => title)], rows)}\n\n${conditions}`;
}

async function main(write) {
  const results = readResults();
  let isRight = true;
  for (const page of PAGES) {
    const file = join(ROOT, page);
    const text = readFileSync(file, 'utf8');
    try {
      const config = await resolveConfig(file);
      const right = await format(filled(text, results), { ...config, filepath: file });
      const free = STRICT.has(page) ? unmarked(text) : [];
      if (free.length > 0)
        throw new Error(`${free.join(', ')}: from where? Mark it, see bench/pages.mjs`);
      if (right !== text && write) writeFileSync(file, right);
      else if (right !== text) throw new Error(difference(text, right));
    } catch (error) {
      isRight = false;
      console.error(`${page}: ${error.message}`);
    }
  }
  if (!isRight) process.exit(1);
  console.log(`${PAGES.length} pages say what bench/results.json says`);
}

function difference(text, right) {
  const lines = right.split('\n');
  const at = text.split('\n').findIndex((line, index) => line !== lines[index]);
  return `line ${at + 1} should be\n  ${lines[at]}\nand is\n  ${text.split('\n')[at]}\n\`npm run figures\` fills it in.`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(process.argv.includes('--write'));

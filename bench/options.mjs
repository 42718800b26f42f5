// What can be said to a benchmark, the same way to all of them: `--rounds 3`, how much of what (`--requests 5000`),
// `--only fastify`, more than once if need be, and `--write`. Anything else is an error, before anything is measured.
import { parseArgs } from 'node:util';

/**
 * @param sizes the numbers that can be said, `rounds` among them, and what they are by default
 * @param variants the names of all that can be measured; `--only` takes those that contain its value
 * @returns the numbers; `chosen`: the names of the variants to measure; `write`: whether files are to be written
 */
export function benchmarkOptions(sizes, variants) {
  try {
    return parse(process.argv.slice(2), sizes, variants);
  } catch (error) {
    console.error(`${error.message}\n\n${usage(sizes, variants)}`);
    process.exit(1);
  }
}

/** The same from given words. @throws Error that says what is wrong with them */
export function parse(args, sizes, variants) {
  const { values } = parseArgs({
    args,
    options: {
      ...Object.fromEntries(Object.keys(sizes).map((name) => [name, { type: 'string' }])),
      only: { type: 'string', multiple: true, default: [''] },
      write: { type: 'boolean', default: false },
    },
  });
  const numbers = Object.entries(sizes).map(([name, usual]) => [
    name,
    values[name] === undefined ? usual : count(name, values[name]),
  ]);
  for (const part of values.only) {
    if (!variants.some((name) => name.includes(part))) {
      throw new Error(`--only ${part}: there is no such variant.`);
    }
  }
  const chosen = variants.filter((name) => values.only.some((part) => name.includes(part)));
  return { ...Object.fromEntries(numbers), chosen, write: values.write };
}

function count(name, text) {
  if (!/^[1-9][\d_]*$/.test(text)) {
    throw new Error(`--${name} ${text}: a whole number from 1 is expected.`);
  }
  return Number(text.replaceAll('_', ''));
}

function usage(sizes, variants) {
  return [
    'Options:',
    ...Object.entries(sizes).map(([name, usual]) => `  --${name} ${usual}`),
    '  --write   draws the plots in bench/plots anew, and records the figures in bench/results.json',
    '  --only <part of a name>, again for more; by default all of',
    ...variants.map((name) => `      ${name}`),
  ].join('\n');
}

// The options of all benchmarks: `--rounds 3`, sizes such as `--requests 5000`, `--only fastify` (repeatable) and
// `--write`. Anything else is an error before the measurement.
import { parseArgs } from 'node:util';

/**
 * @param sizes the numbers that can be given, `rounds` among them, with their defaults
 * @param variants the names of all variants; `--only` selects those that contain its value
 * @returns the numbers; `chosen`: the selected variants; `write`: whether to write files
 */
export function benchmarkOptions(sizes, variants) {
  try {
    return parse(process.argv.slice(2), sizes, variants);
  } catch (error) {
    console.error(`${error.message}\n\n${usage(sizes, variants)}`);
    process.exit(1);
  }
}

/** The same for given words. @throws Error that says what is wrong with them */
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

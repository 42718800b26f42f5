import { parseArgs } from 'node:util';

/**
 * Parses the command line of these programs. An unknown word is an error before anything starts.
 *
 * @param numbers names with defaults: whole numbers from 0
 * @param choices names with the possible values, the default first; a name with `true` alone is a
 * flag
 */
export function optionsOf<N extends string, C extends string>(
  numbers: Record<N, number>,
  choices: Record<C, readonly string[]>,
): Record<N, number> & Record<C, string> {
  const names = [...Object.keys(numbers), ...Object.keys(choices)];
  const { values } = parseArgs({
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
  });
  const said = Object.entries(values).map(([name, text = '']) => {
    const allowed = (choices as Record<string, readonly string[]>)[name];
    if (allowed === undefined ? !/^\d[\d_]*$/.test(text) : !allowed.includes(text)) {
      const expected = allowed?.join(', ') ?? 'a whole number';
      throw new Error(`--${name} ${text}: expected is ${expected}.`);
    }
    return [name, allowed === undefined ? Number(text.replaceAll('_', '')) : text];
  });
  const usual = Object.entries<readonly string[]>(choices).map(([name, [first]]) => [name, first]);
  return Object.assign(
    { ...numbers },
    Object.fromEntries(usual),
    Object.fromEntries(said),
  ) as never;
}

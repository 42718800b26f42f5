import { parseArgs } from 'node:util';

/**
 * What was said to a program here. Anything that it does not understand is an error, before it starts anything.
 *
 * @param numbers each with its default: whole numbers from 0
 * @param choices each with what may be said, the default first; `true` alone is a flag
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

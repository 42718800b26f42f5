/**
 * The `ts` blocks of a page: name → code. A first line `// name.ts` names one; the others are numbered.
 *
 * @throws Error where two have one name
 */
export function snippetsOf(text: string): Map<string, string> {
  const snippets = new Map<string, string>();
  for (const [, code = ''] of text.matchAll(/^```ts\n(.*?)^```$/gms)) {
    const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1] ?? `snippet-${snippets.size + 1}.ts`;
    if (snippets.has(name)) {
      throw new Error(`Two snippets are named ${name}.`);
    }
    snippets.set(name, code);
  }
  return snippets;
}

/** Where the snippets of an application stand: they are files beside each other, and import one another. */
export const TOUR = ['README.md', 'docs/tour.md'];

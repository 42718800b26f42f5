import { createRequire } from 'node:module';
import { join } from 'node:path';
import type ts from 'typescript';

/** The compiler, as much as an edit of a source file needs. */
export type TypeScript = typeof ts;

/**
 * The application's own compiler, or that of its `@nestjs/cli`: to come along with one would be a
 * dependency for the sake of a single command. One without an interface for programs does not count.
 *
 * @param folder of the application
 * @throws Error where there is none
 */
export function loadTypeScript(folder: string): TypeScript {
  const require = createRequire(join(folder, 'package.json'));
  for (const find of [
    () => require('typescript') as unknown,
    () => createRequire(require.resolve('@nestjs/cli/package.json'))('typescript') as unknown,
  ]) {
    const found = attempt(find);
    if (typeof (found as Partial<TypeScript> | undefined)?.createSourceFile === 'function') {
      return found as TypeScript;
    }
  }
  throw new Error(
    'TypeScript is needed to read the root module: npm install --save-dev typescript',
  );
}

function attempt(find: () => unknown): unknown {
  try {
    return find();
  } catch {
    return undefined;
  }
}

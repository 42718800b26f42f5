import { createRequire } from 'node:module';
import { join } from 'node:path';
import type ts from 'typescript';

export type TypeScript = typeof ts;

/**
 * Loads the application's compiler, or that of its `@nestjs/cli`: a compiler of our own would be a
 * dependency for a single command. A compiler without an API is skipped.
 *
 * @param folder of the application
 * @throws Error if there is no compiler
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

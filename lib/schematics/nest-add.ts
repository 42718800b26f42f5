import { posix } from 'node:path';
import type { Rule, SchematicContext, Tree } from '@angular-devkit/schematics';
import { rootModuleIn, withShutdownHooks, type RootModule } from './entry-file.js';
import { loadTypeScript, type TypeScript } from './load-typescript.js';
import { importInto, isImportedIn } from './module-file.js';

/** The options of `nest add nestjs-background-tasks`. */
export interface NestAddOptions {
  /** Where the sources of the application are. @default 'src' */
  readonly sourceRoot?: string;
  /** The file of the root module, below the sources. @default the module that main.ts starts */
  readonly module?: string;
}

/**
 * Imports `BackgroundTasksModule` into the root module, unless the application already imports it,
 * and lets signals close the application, unless its code already does.
 */
export function nestAdd({ sourceRoot = 'src', module }: NestAddOptions): Rule {
  return (tree, { logger }) => {
    const already = sourcesIn(tree, sourceRoot).find((path) => isImportedIn(tree.readText(path)));
    if (already !== undefined) {
      logger.info(`BackgroundTasksModule is imported already, in ${already}: nothing to do.`);
      return;
    }
    const typescript = loadTypeScript(process.cwd());
    const { path, className } = locate(typescript, tree, sourceRoot, module);
    tree.overwrite(path, importInto(typescript, tree.readText(path), className));
    letSignalsClose(typescript, tree, sourceRoot, logger);
    logger.info(
      'While developing, start with "nest start --watch --no-shell": the new process then waits until ' +
        'the old one has finished its tasks.',
    );
  };
}

interface Located {
  readonly path: string;
  readonly className: string | undefined;
}

function locate(
  typescript: TypeScript,
  tree: Tree,
  sourceRoot: string,
  module: string | undefined,
): Located {
  if (module !== undefined) {
    const path = posix.join(sourceRoot, module);
    return { path: requireFile(tree, [path, `${path}.ts`]), className: undefined };
  }
  const main = posix.join(sourceRoot, 'main.ts');
  const root = tree.exists(main) ? rootModuleIn(typescript, tree.readText(main)) : undefined;
  return {
    path: requireFile(tree, candidates(sourceRoot, root)),
    className: root?.className,
  };
}

/**
 * Where the root module may be: the import of `main.ts`, or else the place where `nest new` puts
 * it.
 */
function candidates(sourceRoot: string, root: RootModule | undefined): string[] {
  const { specifier = './app.module' } = root ?? {};
  const path = posix.join(sourceRoot, specifier);
  return [path.replace(/\.js$/, '.ts'), `${path}.ts`, posix.join(path, 'index.ts')];
}

function requireFile(tree: Tree, paths: readonly string[]): string {
  const found = paths.find((path) => tree.exists(path));
  if (found === undefined) {
    throw new Error(
      `There is no ${paths.join(', no ')}. Say where the root module is, below the sources: ` +
        'nest add nestjs-background-tasks --module=app.module.ts',
    );
  }
  return found;
}

function sourcesIn(tree: Tree, sourceRoot: string): string[] {
  const paths: string[] = [];
  tree.getDir(sourceRoot).visit((path) => {
    if (path.endsWith('.ts') && !/\.(e2e-)?(spec|test)\.ts$/.test(path)) {
      paths.push(path);
    }
  });
  return paths;
}

/** Without shutdown hooks a signal ends the process in the middle of its tasks. */
function letSignalsClose(
  typescript: TypeScript,
  tree: Tree,
  sourceRoot: string,
  logger: SchematicContext['logger'],
): void {
  const isThere = sourcesIn(tree, sourceRoot).some((path) =>
    tree.readText(path).includes('enableShutdownHooks'),
  );
  if (isThere) {
    return;
  }
  const main = posix.join(sourceRoot, 'main.ts');
  const text = tree.exists(main) ? withShutdownHooks(typescript, tree.readText(main)) : undefined;
  if (text !== undefined) {
    tree.overwrite(main, text);
    logger.info(`In ${main}, SIGTERM and SIGINT now close the application, which waits for tasks.`);
  } else {
    logger.info(
      "Please add app.enableShutdownHooks(['SIGTERM', 'SIGINT']) where the application is made. It lets " +
        'tasks finish when the process is told to end.',
    );
  }
}

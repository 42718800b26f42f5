import type { SchematicContext, Tree } from '@angular-devkit/schematics';
import { describe, expect, it } from '@jest/globals';
import { nestAdd, type NestAddOptions } from '../../../lib/schematics/nest-add.js';

const MODULE = `import { Module } from '@nestjs/common';\n\n@Module({})\nexport class AppModule {}\n`;
const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
const app = await NestFactory.create(AppModule);
`;

/** Of an application's files, what a rule looks at and changes. */
class FakeTree {
  readonly files: Map<string, string>;

  constructor(files: Record<string, string>) {
    this.files = new Map(Object.entries(files));
  }

  exists(path: string): boolean {
    return this.files.has(path);
  }

  readText(path: string): string {
    return this.files.get(path.replace(/^\//, '')) ?? '';
  }

  overwrite(path: string, text: string): void {
    this.files.set(path, text);
  }

  getDir(folder: string): { visit(visitor: (path: string) => void): void } {
    const paths = [...this.files.keys()].filter((path) => path.startsWith(`${folder}/`));
    return { visit: (visitor) => paths.forEach((path) => visitor(`/${path}`)) };
  }
}

/** @returns which files it changed, and what it said */
function add(files: Record<string, string>, options: NestAddOptions = {}) {
  const tree = new FakeTree(files);
  const said: string[] = [];
  const context = { logger: { info: (line: string) => said.push(line) } };
  void nestAdd(options)(tree as unknown as Tree, context as unknown as SchematicContext);
  const changed = [...tree.files].filter(([path, text]) => files[path] !== text);
  return { changed: changed.map(([path]) => path), tree, said: said.join('\n') };
}

describe('nest add', () => {
  it('imports the module into the one that main.ts starts', () => {
    const { changed, tree } = add({
      'src/main.ts': MAIN.replace('./app.module.js', './core/root.js'),
      'src/core/root.ts': MODULE,
      'src/app.module.ts': MODULE,
    });
    expect(changed).toEqual(['src/main.ts', 'src/core/root.ts']);
    expect(tree.readText('src/core/root.ts')).toContain('BackgroundTasksModule.forRoot()');
  });

  it.each([
    ['./app.module', 'src/app.module.ts'],
    ['./app', 'src/app/index.ts'],
  ])('follows the import of %s', (specifier, path) => {
    const main = MAIN.replace('./app.module.js', specifier);
    expect(add({ 'src/main.ts': main, [path]: MODULE }).changed).toContain(path);
  });

  it.each([
    ['there is no main.ts', {}],
    ['main.ts does not say', { 'src/main.ts': 'start();' }],
  ])('takes app.module.ts where %s', (_, files) => {
    const all = { ...files, 'src/app.module.ts': MODULE };
    expect(add(all).changed).toEqual(['src/app.module.ts']);
  });

  it('takes the sources and the module that it is told', () => {
    const files = { 'apps/shop/src/main.ts': MAIN, 'apps/shop/src/shop.module.ts': MODULE };
    const sourceRoot = 'apps/shop/src';
    for (const module of ['shop.module.ts', 'shop.module']) {
      expect(add(files, { sourceRoot, module }).changed).toContain('apps/shop/src/shop.module.ts');
    }
  });

  it('changes nothing where some module imports it already', () => {
    const { changed, said } = add({
      'src/main.ts': MAIN,
      'src/app.module.ts': MODULE,
      'src/tasks.module.ts': 'BackgroundTasksModule.forRootAsync({})',
    });
    expect(changed).toEqual([]);
    expect(said).toMatch(/imported already, in \/src\/tasks\.module\.ts/);
  });

  it.each(['app.spec.ts', 'app.e2e-spec.ts', 'app.test.ts', 'notes.md'])(
    'does not take %s for a module of the application',
    (name) => {
      const files = {
        'src/app.module.ts': MODULE,
        [`src/${name}`]: 'BackgroundTasksModule.forRoot()',
      };
      expect(add(files).changed).toEqual(['src/app.module.ts']);
    },
  );

  it('says how to name the root module where it is not found', () => {
    expect(() => add({ 'src/main.ts': MAIN })).toThrow(/--module=app\.module\.ts/);
  });

  const files = { 'src/main.ts': MAIN, 'src/app.module.ts': MODULE };

  it('lets signals close the application, unless something does', () => {
    const { tree, said } = add(files);
    expect(tree.readText('src/main.ts')).toBe(
      `${MAIN}app.enableShutdownHooks(['SIGTERM', 'SIGINT']);\n`,
    );
    expect(said).toMatch(/^In src\/main\.ts, SIGTERM and SIGINT now close the application/);
    const other = { 'src/start.ts': 'app.enableShutdownHooks()' };
    expect(add({ ...files, ...other }).changed).toEqual(['src/app.module.ts']);
  });

  it.each(['start(await NestFactory.create(AppModule));', 'const { app } = await boot();'])(
    'says what is left to write where main.ts has %s',
    (line) => {
      const main = MAIN.replace(/const app.*/, line);
      const { changed, said } = add({ ...files, 'src/main.ts': main });
      expect(changed).toEqual(['src/app.module.ts']);
      expect(said).toMatch(
        /One line is yours: app\.enableShutdownHooks\(\['SIGTERM', 'SIGINT'\]\)/,
      );
    },
  );

  it('O24: tells of the option by which a watched process waits for the one before it', () => {
    expect(add(files).said).toMatch(/nest start --watch --no-shell/);
  });
});

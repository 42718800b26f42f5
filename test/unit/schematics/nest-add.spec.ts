import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { SchematicContext, Tree } from '@angular-devkit/schematics';
import typescript from 'typescript';
import { rootModuleIn } from '../../../lib/schematics/entry-file.js';
import { loadTypeScript } from '../../../lib/schematics/load-typescript.js';
import { importInto } from '../../../lib/schematics/module-file.js';
import { type NestAddOptions, nestAdd } from '../../../lib/schematics/nest-add.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const MODULE = `import { Module } from '@nestjs/common';\n\n@Module({})\nexport class AppModule {}\n`;
const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
const app = await NestFactory.create(AppModule);
`;

/** @returns which files it changed, and what it said */
function add(files: Record<string, string>, options: NestAddOptions = {}) {
  const texts = new Map(Object.entries(files));
  // What a rule looks at and changes of a tree, which cannot be loaded inside jest.
  const tree = {
    exists: (path: string) => texts.has(path),
    readText: (path: string) => texts.get(path.replace(/^\//, '')) ?? '',
    overwrite: (path: string, text: string) => texts.set(path, text),
    getDir: (folder: string) => ({
      visit: (visitor: (path: string) => void) =>
        [...texts.keys()]
          .filter((path) => path.startsWith(`${folder}/`))
          .forEach((path) => visitor(`/${path}`)),
    }),
  };
  const said: string[] = [];
  const context = { logger: { info: (line: string) => said.push(line) } };
  void nestAdd(options)(tree as unknown as Tree, context as unknown as SchematicContext);
  const changed = Object.keys(files).filter((path) => tree.readText(path) !== files[path]);
  return { changed, tree, said: said.join('\n') };
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

  it('takes app.module.ts where main.ts does not say', () => {
    const { changed } = add({ 'src/main.ts': 'start();', 'src/app.module.ts': MODULE });
    expect(changed).toEqual(['src/app.module.ts']);
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

  it.each(['app.spec.ts', 'app.test.ts', 'notes.md'])(
    'does not take %s for a module of the application',
    (name) => {
      const files = {
        'src/app.module.ts': MODULE,
        [`src/${name}`]: 'BackgroundTasksModule.forRoot()',
      };
      expect(add(files).changed).toEqual(['src/app.module.ts']);
    },
  );

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
      expect(said).toMatch(/Please add app\.enableShutdownHooks\(\['SIGTERM', 'SIGINT'\]\)/);
    },
  );

  it('O24: tells of the option by which a watched process waits for the one before it', () => {
    expect(add(files).said).toMatch(/nest start --watch --no-shell/);
  });
});

/** A module whose `@Module()` is given `metadata`. */
const moduleWith = (metadata: string): string =>
  `import { Module } from '@nestjs/common';\n\n@Module(${metadata})\nexport class AppModule {}\n`;

describe('importing the module into a root module', () => {
  it.each([
    ['', '{ imports: [BackgroundTasksModule.forRoot()] }'],
    ['{ providers: [A] }', '{ imports: [BackgroundTasksModule.forRoot()], providers: [A] }'],
    [
      '{\n    providers: [A],\n}',
      '{\n    imports: [BackgroundTasksModule.forRoot()],\n    providers: [A],\n}',
    ],
    ['{ imports: [A] }', '{ imports: [A, BackgroundTasksModule.forRoot()] }'],
    [
      '{ imports: [\n  A,\n  B.forRoot({ a: [1] }),\n] }',
      '{ imports: [\n  A,\n  B.forRoot({ a: [1] }),\n  BackgroundTasksModule.forRoot(),\n] }',
    ],
  ])('turns @Module(%s) into @Module(%s)', (before, after) => {
    expect(importInto(typescript, moduleWith(before))).toContain(`@Module(${after})`);
  });

  it.each([
    ['there is no @Module() AppModule', '@Injectable()\nexport class AppModule {}'],
    ['the argument of @Module() is not an object literal', moduleWith('metadata')],
    ['part of the argument of @Module() comes from elsewhere', moduleWith('{ ...metadata }')],
    ['its imports are not an array', moduleWith('{ imports: modules }')],
  ])('says what to write by hand where %s', (reason, text) => {
    expect(() => importInto(typescript, text, 'AppModule')).toThrow(reason);
    expect(() => importInto(typescript, text, 'AppModule')).toThrow(
      /Add BackgroundTasksModule\.forRoot\(\) to its imports yourself/,
    );
  });
});

const mainWith = (start: string, imported = 'AppModule'): string => `
import { NestFactory } from '@nestjs/core';
import { ${imported} } from './app.module.js';

async function bootstrap() {
  const app = await ${start};
  await app.listen(3000);
}
void bootstrap();
`;

describe('the module that main.ts starts', () => {
  it.each([
    'NestFactory.create(AppModule)',
    'NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter())',
    'NestFactory.createMicroservice(AppModule, { transport: Transport.TCP })',
  ])('is found in %s', (start) => {
    expect(rootModuleIn(typescript, mainWith(start))).toEqual({
      className: 'AppModule',
      specifier: './app.module.js',
    });
  });

  it.each([
    ['nothing is started', 'NestFactory.other(AppModule)'],
    ['it is not imported by its name', 'NestFactory.create(modules.AppModule)'],
    ['it is declared there', 'NestFactory.create(OwnModule)'],
  ])('is unknown where %s', (_, start) => {
    expect(rootModuleIn(typescript, mainWith(start))).toBeUndefined();
  });
});

describe('the compiler that the root module is read with', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });

  /** A package that exports `text`, and its name as `name`. */
  function install(path: string, name: string, text = 'createSourceFile() {},'): void {
    const file = join(folder, path, 'node_modules', name, 'index.js');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `module.exports = { ${text} path: ${JSON.stringify(path)} };`);
    writeFileSync(join(dirname(file), 'package.json'), JSON.stringify({ name }));
  }

  it("is the application's own", () => {
    install('', 'typescript');
    install('', '@nestjs/cli');
    install('node_modules/@nestjs/cli', 'typescript');
    expect(loadTypeScript(folder)).toMatchObject({ path: '' });
  });

  it.each([
    ['has none', undefined],
    ['has one that programs cannot use', 'version: "7.0.0",'],
  ])('is that of @nestjs/cli where the application %s', (_, own) => {
    if (own !== undefined) {
      install('', 'typescript', own);
    }
    install('', '@nestjs/cli');
    install('node_modules/@nestjs/cli', 'typescript');
    expect(loadTypeScript(folder)).toMatchObject({ path: 'node_modules/@nestjs/cli' });
  });

  it('is asked for where there is none', () => {
    expect(() => loadTypeScript(folder)).toThrow(/npm install --save-dev typescript/);
  });
});

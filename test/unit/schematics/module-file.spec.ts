import { describe, expect, it } from '@jest/globals';
import typescript from 'typescript';
import { importInto, isImportedIn } from '../../../lib/schematics/module-file.js';

const FRESH = `import { Module } from '@nestjs/common';
import { AppController } from './app.controller.js';

@Module({
  imports: [],
  controllers: [AppController],
})
export class AppModule {}
`;

const IMPORT = "import { BackgroundTasksModule } from 'nestjs-background-tasks';";

/** A module whose `@Module()` is given `metadata`. */
const moduleWith = (metadata: string): string =>
  `import { Module } from '@nestjs/common';\n\n@Module(${metadata})\nexport class AppModule {}\n`;

describe('importing the module into a root module', () => {
  it('adds an import and an element', () => {
    expect(importInto(typescript, FRESH, 'AppModule'))
      .toBe(`import { Module } from '@nestjs/common';
import { AppController } from './app.controller.js';
${IMPORT}

@Module({
  imports: [BackgroundTasksModule.forRoot()],
  controllers: [AppController],
})
export class AppModule {}
`);
  });

  it.each([
    ['', '{ imports: [BackgroundTasksModule.forRoot()] }'],
    ['{}', '{ imports: [BackgroundTasksModule.forRoot()] }'],
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
    ['{ imports: [...common, A] }', '{ imports: [...common, A, BackgroundTasksModule.forRoot()] }'],
    ["{ 'imports': [/* none */] }", "{ 'imports': [BackgroundTasksModule.forRoot()/* none */] }"],
  ])('turns @Module(%s) into @Module(%s)', (before, after) => {
    expect(importInto(typescript, moduleWith(before))).toContain(`@Module(${after})`);
  });

  it('writes as the file is written: quotes, semicolons, line breaks', () => {
    const text = 'import { Module } from "@nestjs/common"\r\n\r\n@Module({})\r\nclass A {}\r\n';
    expect(importInto(typescript, text)).toBe(
      'import { Module } from "@nestjs/common"\r\n' +
        'import { BackgroundTasksModule } from "nestjs-background-tasks"\r\n\r\n' +
        '@Module({ imports: [BackgroundTasksModule.forRoot()] })\r\nclass A {}\r\n',
    );
  });

  it('begins a file that imports nothing with the import', () => {
    expect(importInto(typescript, '@Module({})\nclass A {}\n')).toMatch(
      new RegExp(`^${IMPORT}\n@Module`),
    );
  });

  it('does not import a name twice', () => {
    const text = `${IMPORT}\n${FRESH}`;
    const result = importInto(typescript, text);
    expect(result.split(IMPORT)).toHaveLength(2);
    expect(result).toContain('imports: [BackgroundTasksModule.forRoot()]');
  });

  it('adds the import of the module where another name of the package is imported', () => {
    const text = `import { TaskRunner } from 'nestjs-background-tasks';\n${FRESH}`;
    expect(importInto(typescript, text)).toContain(IMPORT);
  });

  it('changes the class it is asked to, not the first one', () => {
    const text = `${FRESH}\n@Module({})\nexport class OtherModule {}\n`;
    const result = importInto(typescript, text, 'OtherModule');
    expect(result).toContain('imports: [],');
    expect(result).toContain('@Module({ imports: [BackgroundTasksModule.forRoot()] })');
  });

  it.each([
    ['there is no @Module() AppModule', 'export class AppModule {}'],
    ['there is no @Module() AppModule', '@Injectable()\nexport class AppModule {}'],
    ['what @Module() is given is not written there', moduleWith('metadata')],
    ['part of what @Module() is given is not written there', moduleWith('{ ...metadata }')],
    ['its imports are not an array', moduleWith('{ imports: modules }')],
    ['its imports are not an array', moduleWith('{ imports }')],
  ])('says what to write by hand where %s', (reason, text) => {
    expect(() => importInto(typescript, text, 'AppModule')).toThrow(reason);
    expect(() => importInto(typescript, text, 'AppModule')).toThrow(
      /Add BackgroundTasksModule\.forRoot\(\) to its imports yourself/,
    );
  });
});

describe('an application that has the module', () => {
  it('is recognised, whichever way it was imported', () => {
    expect(isImportedIn(importInto(typescript, FRESH))).toBe(true);
    expect(isImportedIn('BackgroundTasksModule.forRootAsync({})')).toBe(true);
    expect(isImportedIn('BackgroundTasksModule\n  .forRoot({})')).toBe(true);
  });

  it('is not one that uses another name of the package', () => {
    expect(isImportedIn("import { BackgroundTasks } from 'nestjs-background-tasks';")).toBe(false);
    expect(isImportedIn('BackgroundTasksThreadsModule.forRoot()')).toBe(false);
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadTypeScript } from '../../../lib/schematics/load-typescript.js';

describe('the compiler that the root module is read with', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'compiler-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

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

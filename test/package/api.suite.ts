import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../support/temporary-folder.js';
import { surfaceOf } from './surface.js';
import { undocumentedIn } from './undocumented.js';

const DECLARATIONS = `
import type { Hidden } from './hidden.js';
/** What this says is not part of the surface. */
export declare class Kept {
  readonly seen: Hidden;
  private readonly unseen;
  protected inherited(): void;
  /** @param value what comes back */
  call<T extends string>(value: T): T;
  silent(one: number): void;
}
export interface Options {
  /** @default 1 */
  stated?: number;
  silent?: number;
  required: number;
}
export declare const value: () => Options;
declare const own: number;
export { own as renamed };
`;

describe('the report of the public surface', () => {
  let folder: string;
  let surface: string;

  function surfaceWith(change: (text: string) => string): string {
    writeFileSync(join(folder, 'index.d.ts'), change(DECLARATIONS));
    return surfaceOf(folder, { thing: 'index.d.ts' });
  }

  beforeAll(async () => {
    folder = await temporaryFolder();
    writeFileSync(join(folder, 'hidden.d.ts'), 'export type Hidden = Deeper;\ntype Deeper = 1;\n');
    surface = surfaceWith((text) => text);
  });

  it('has every exported declaration, and what it refers to', () => {
    const [exported = '', reached = ''] = surface.split('## reached');
    expect(exported).toMatch(/^## thing\n/);
    expect(exported).toContain('class Kept');
    expect(exported).toContain('interface Options');
    expect(exported).toContain('const value: () => Options;');
    expect(exported).toContain('const own: number;\nexport { own as renamed };');
    expect(reached).toContain('type Hidden = Deeper;');
    expect(reached).toContain('type Deeper = 1;');
    // What no user can see is left out.
    expect(surface).toContain('protected inherited(): void;');
    expect(surface).not.toMatch(/unseen|not part/);
  });

  it.each([
    ['a constraint', 'T extends string', 'T extends number'],
    ['a modifier', 'readonly seen', 'seen'],
    ['an option that is no longer one', 'stated?:', 'stated:'],
    ['a type that is not exported', 'Hidden;\n  private', 'Hidden[];\n  private'],
    ['a member', '  protected inherited(): void;\n', ''],
    ['an export', 'export declare const value', 'declare const value'],
    ['the name of an export', 'own as renamed', 'own as other'],
  ])('changes with %s', (_, from, to) => {
    expect(DECLARATIONS).toContain(from);
    expect(surfaceWith((text) => text.replace(from, to))).not.toBe(surface);
  });

  it('does not change with a comment or a private member', () => {
    expect(
      surfaceWith((text) => text.replace('What this says', 'All this').replace('unseen', 'other')),
    ).toBe(surface);
  });

  it('finds the defaults and the parameters that nothing is said of', () => {
    writeFileSync(join(folder, 'index.d.ts'), DECLARATIONS);
    expect(undocumentedIn(folder, ['index.d.ts'])).toEqual([
      'Kept.silent() has no @param one',
      'Options.silent is optional and has no @default',
    ]);
  });

  it('says so where there is nothing to report on', () => {
    expect(() => surfaceOf(folder, { thing: 'missing.d.ts' })).toThrow(
      /Has the package been built/,
    );
  });
});

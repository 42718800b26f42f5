import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MissingPeerError } from '../../../lib/errors/missing-peer.error.js';
import { requirePeer } from '../../../lib/errors/require-peer.js';

function attempt(peer: string): unknown {
  try {
    return requirePeer(peer, 'the test');
  } catch (error) {
    return error;
  }
}

describe('an optional peer', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'peer-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is what its package exports', () => {
    expect(attempt('ms')).toBeInstanceOf(Function);
  });

  it.each([
    ['no-such-package', 'no-such-package'],
    ['no-such-package/deep/file.js', 'no-such-package'],
    ['@no-such/package', '@no-such/package'],
    ['@no-such/package/deep.js', '@no-such/package'],
  ])('that is missing, %s, is called %s', (peer, name) => {
    const error = attempt(peer);
    expect(error).toBeInstanceOf(MissingPeerError);
    expect((error as MissingPeerError).peers).toEqual([name]);
    expect((error as Error).message).toBe(`the test needs ${name}: npm install ${name}`);
  });

  it('that throws when it is loaded is not missing', () => {
    const file = join(folder, 'broken.cjs');
    writeFileSync(file, 'throw new TypeError("broken");');
    expect(attempt(file)).toMatchObject({ name: 'TypeError', message: 'broken' });
  });

  it('that lacks a package of its own is not missing', () => {
    const file = join(folder, 'needy.cjs');
    writeFileSync(file, 'require("no-such-package");');
    const error = attempt(file);
    expect(error).not.toBeInstanceOf(MissingPeerError);
    expect(error).toMatchObject({ code: 'MODULE_NOT_FOUND' });
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { journal } from '../../lib/engine/journal/index.js';
import { conformance } from './conformance.js';

conformance('journal', async () => {
  const path = await mkdtemp(join(tmpdir(), 'bgt-conformance-'));
  return { engine: journal({ path }), dispose: () => rm(path, { recursive: true }) };
});

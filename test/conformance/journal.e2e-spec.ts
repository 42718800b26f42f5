import { journal } from '../../lib/engine/journal/index.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { conformance } from './conformance.js';

conformance('journal', async () => ({
  engine: journal({ path: await temporaryFolder() }),
  dispose: () => Promise.resolve(),
}));

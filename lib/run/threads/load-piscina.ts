import { createRequire } from 'node:module';
import type * as PiscinaPackage from 'piscina';
import { MissingPeerError } from './thread.errors.js';

/** @throws MissingPeerError */
export function loadPiscina(): typeof PiscinaPackage {
  try {
    return createRequire(import.meta.url)('piscina') as typeof PiscinaPackage;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' && message.includes("'piscina'")) {
      const missing = new MissingPeerError('piscina', 'nestjs-background-tasks/threads');
      // Where this was called from is of no interest: what helps stands in the one line.
      missing.stack = `${missing.name}: ${missing.message}`;
      throw missing;
    }
    throw error;
  }
}

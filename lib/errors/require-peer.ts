import { createRequire } from 'node:module';
import { MissingPeerError } from './missing-peer.error.js';

const require = createRequire(import.meta.url);

/**
 * Loads an optional peer dependency when it is needed. Synchronous, because a module with a
 * top-level `await` cannot be required from CommonJS.
 *
 * @param user the part that needs it, for the message
 * @throws MissingPeerError if the peer is not installed
 */
export function requirePeer(peer: string, user: string): unknown {
  try {
    return require(peer);
  } catch (error) {
    if (isNotFound(error, peer)) {
      const [first = '', second = ''] = peer.split('/');
      throw new MissingPeerError(user, [first.startsWith('@') ? `${first}/${second}` : first]);
    }
    throw error;
  }
}

/** Whether the peer itself is missing, and not one of its own dependencies. */
function isNotFound(error: unknown, peer: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === 'MODULE_NOT_FOUND' && String(message).includes(`'${peer}'`);
}

import { createRequire } from 'node:module';
import { MissingPeerError } from './missing-peer.error.js';

const require = createRequire(import.meta.url);

/**
 * An optional peer dependency, loaded when it is needed. Synchronous, because a module that awaits
 * cannot be required from CommonJS.
 *
 * @param user what needs it, for the message
 * @throws MissingPeerError where it is not installed
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

/** Whether the peer itself is missing, and not something that it needs in turn. */
function isNotFound(error: unknown, peer: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === 'MODULE_NOT_FOUND' && String(message).includes(`'${peer}'`);
}

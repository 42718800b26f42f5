import type * as PiscinaPackage from 'piscina';
import { requirePeer } from '../../errors/require-peer.js';

/** @throws MissingPeerError */
export function loadPiscina(): typeof PiscinaPackage {
  return requirePeer('piscina', 'nestjs-background-tasks/threads') as typeof PiscinaPackage;
}

import { MissingPeerError } from '../../errors/storage.errors.js';

/** For the `catch` of an import of an optional peer. */
export function missing(peer: string): (error: unknown) => never {
  return (error) => {
    throw new MissingPeerError('bullmq', peer, { cause: error });
  };
}

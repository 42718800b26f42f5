import { MissingPeerError } from '../../../errors/missing-peer.error.js';

/** For the `catch` of an import of an optional peer. */
export function missing(peer: string): (error: unknown) => never {
  return (error) => {
    throw new MissingPeerError('nestjs-background-tasks/bullmq', [peer], { cause: error });
  };
}

import type { Outcome } from 'nestjs-background-tasks';

/**
 * What a client may read of a failure: the message of an `UnrecoverableError`, which was written here.
 * Any other may tell of paths and addresses of this machine; it is in the log.
 */
export function reasonOf(outcome: Outcome | undefined): string | undefined {
  if (outcome?.status !== 'failed') {
    return undefined;
  }
  const { code, message } = outcome.error as { readonly code?: string; readonly message?: string };
  return code === 'BGT_UNRECOVERABLE' ? message : 'It failed; the log says why.';
}

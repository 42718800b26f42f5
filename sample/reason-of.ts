import type { Outcome } from 'nestjs-background-tasks';

/**
 * The reason of a failure that a client may read: the message of an `UnrecoverableError`, which
 * this code wrote. Other messages may reveal paths and addresses of this machine; they are in the
 * log.
 */
export function reasonOf(outcome: Outcome | undefined): string | undefined {
  if (outcome?.status !== 'failed') {
    return undefined;
  }
  const { code, message } = outcome.error as { readonly code?: string; readonly message?: string };
  return code === 'BGT_UNRECOVERABLE' ? message : 'It failed; the log says why.';
}

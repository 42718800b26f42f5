import type { Dropped, Verdict } from '../../task/verdict.js';

/** How a task settles. */
export type End = Exclude<Verdict, { kind: 'retry' }> | Dropped;

/** The shutdown did not wait for it. */
export type Abandoned = Extract<Verdict, { kind: 'abandoned' }>;

export const ABANDONED: Abandoned = { kind: 'abandoned' };
/** It goes on after the next start. */
export const KEPT: Abandoned = { kind: 'abandoned', isKept: true };

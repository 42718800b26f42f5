import { availableParallelism } from 'node:os';
import { threadFunction } from 'nestjs-background-tasks/threads';
import type { sepia, thumbnail } from './picture.js';

/**
 * The number of threads. The queue of these tasks has the same concurrency, so that none waits for
 * a thread.
 */
export const THREADS = Math.max(1, availableParallelism() - 1);

const PICTURE = new URL('./picture.js', import.meta.url);

export const thumbnailInThread = threadFunction<typeof thumbnail>(PICTURE, 'thumbnail');
export const sepiaInThread = threadFunction<typeof sepia>(PICTURE, 'sepia');

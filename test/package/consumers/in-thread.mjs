import { isMainThread } from 'node:worker_threads';

export function whereAndWhat(text) {
  return `${text}, ${isMainThread ? 'in the main thread' : 'in a thread'}`;
}

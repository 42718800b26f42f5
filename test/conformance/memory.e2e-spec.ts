import { conformance } from './conformance.js';

conformance('memory', () =>
  Promise.resolve({ engine: undefined, dispose: () => Promise.resolve() }),
);

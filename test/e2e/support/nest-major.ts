import { createRequire } from 'node:module';

const { version } = createRequire(import.meta.url)('@nestjs/core/package.json') as {
  readonly version: string;
};

/** The suites run under 11, too: see `npm run test:nest11`. */
export const NEST_MAJOR = Number.parseInt(version, 10);

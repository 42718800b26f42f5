import * as fc from 'fast-check';

// A fixed seed makes runs comparable. `SEED=$RANDOM npm test -- properties` tries other values.
fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) });

export { fc };

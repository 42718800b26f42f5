import * as fc from 'fast-check';

// A run says of a change what it says again. `SEED=$RANDOM npm test -- properties` looks further.
fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) });

export { fc };

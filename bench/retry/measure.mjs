// One variant in one process: `node measure.mjs <variant> <calls>` prints the time of a call, in microseconds.
import { VARIANTS } from './variants.mjs';

const [, , variant, calls] = process.argv;
const call = await VARIANTS[variant]();
const time = async (count) => {
  const start = process.hrtime.bigint();
  for (let index = 0; index < count; index += 1) await call();
  return Number(process.hrtime.bigint() - start) / 1000 / count;
};
await time(Number(calls) / 5);
process.stdout.write(String(await time(Number(calls))), () => process.exit());

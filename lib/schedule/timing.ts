import { InvalidOptionError } from '../errors/misuse.errors.js';
import { requirePeer } from '../errors/require-peer.js';
import { milliseconds } from '../task/duration.js';
import type { ScheduleTiming } from '../task/schedule-options.js';

/** When the ticks of a schedule are due. */
export interface Timing {
  /**
   * The first tick after `timeMs`, in milliseconds since the epoch; `undefined` where no tick
   * follows.
   */
  after(timeMs: number): number | undefined;
}

type Cron = new (
  pattern: string,
  options: { paused: true; fixedTimeRule: 'no-wildcard'; timezone?: string },
) => { nextRun(after: Date): Date | null };

/**
 * A limit on the ticks that are counted at once: after a long absence they could stop the event
 * loop.
 */
export const MOST_TICKS = 1_000;

/**
 * @param place of the options, for the message
 * @throws InvalidOptionError, MissingPeerError (croner, where `cron` is used)
 */
export function timingOf({ cron, timeZone, every }: ScheduleTiming, place: string): Timing {
  if (every !== undefined) {
    const spanMs = milliseconds(every);
    if (spanMs < 1 || spanMs > 1e14) {
      throw new InvalidOptionError(`${place}.every`, 'expected at least 1 ms, at most 1e14.');
    }
    // Spans count from the epoch: the ticks are the same in every process, and after every start.
    return {
      after: (timeMs) => {
        const tick = (Math.floor(timeMs / spanMs) + 1) * spanMs;
        return tick > timeMs ? tick : tick + spanMs; // a span with a fraction may round down
      },
    };
  }
  const { Cron } = requirePeer('croner', 'The option "cron"') as { Cron: Cron };
  try {
    const expression = new Cron(cron ?? '', {
      paused: true,
      fixedTimeRule: 'no-wildcard', // as in Vixie cron: '0 2,14 * * *' is two daily ticks
      ...(timeZone !== undefined && { timezone: timeZone }),
    });
    const after = (timeMs: number): number | undefined =>
      expression.nextRun(new Date(timeMs))?.getTime();
    // Also finds an unknown time zone.
    if (after(0) === undefined) {
      throw new Error('no time matches it');
    }
    return { after };
  } catch (error) {
    const { message } = error as Error;
    const isZone = timeZone !== undefined && /time ?zone/i.test(message);
    throw new InvalidOptionError(
      `${place}.${isZone ? 'timeZone' : 'cron'}`,
      isZone
        ? `'${timeZone}' is no time zone. Write one such as 'Europe/Berlin' or 'UTC'.`
        : `'${cron}' is no cron expression: ${message.replace(/\.$/, '')}. Write five fields, such as '0 3 * * *', or six with seconds first.`,
    );
  }
}

/** The ticks after `fromMs` up to `toMs`, the first {@link MOST_TICKS} of them. */
export function ticksBetween(timing: Timing, fromMs: number, toMs: number): number[] {
  const ticks: number[] = [];
  let tick = timing.after(fromMs);
  while (tick !== undefined && tick <= toMs && ticks.length < MOST_TICKS) {
    ticks.push(tick);
    tick = timing.after(tick);
  }
  return ticks;
}

import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import {
  Background,
  currentTask,
  RetryLaterError,
  UnrecoverableError,
} from 'nestjs-background-tasks';
import { Book } from './book.js';

const RETRY = { attempts: 3, backoff: 'fixed', delay: 30, jitter: 'none' } as const;

/** Tasks as every engine takes them: methods, called with what JSON can hold. */
@Injectable()
export class Jobs {
  constructor(@Inject(Book) private readonly book: Book) {}

  /** Takes a turn of the loop, so that two of them could overlap. */
  @Background()
  async note(tag: string): Promise<void> {
    await this.body(tag, () => turnOfTheLoop());
  }

  /** Goes on when the test says so, or when its signal aborts. */
  @Background()
  async hold(tag: string): Promise<void> {
    await this.body(tag, () => this.gateOrAbort(tag));
  }

  @Background({ queue: 'single' })
  async single(tag: string): Promise<void> {
    await this.body(tag, () => turnOfTheLoop());
  }

  /** Fails in its first attempts. */
  @Background({ retry: RETRY })
  async flaky(tag: string, failures: number): Promise<void> {
    await this.body(tag, () => {
      if (currentTask().attempt <= failures) {
        throw new Error(`attempt ${currentTask().attempt} failed`);
      }
    });
  }

  @Background({ retry: { attempts: 3, delay: 60, factor: 3, jitter: 'none' } })
  async backingOff(tag: string): Promise<void> {
    await this.body(tag, () => {
      throw new Error('never works');
    });
  }

  @Background({ retry: RETRY })
  async hopeless(tag: string): Promise<void> {
    await this.body(tag, () => {
      throw new UnrecoverableError('no use');
    });
  }

  /** Works when it is run again by hand. */
  @Background()
  async failsOnce(tag: string): Promise<void> {
    const isFirst = this.book.of(tag).length === 0;
    await this.body(tag, () => {
      if (isFirst) {
        throw new Error('the first time');
      }
    });
  }

  /** What it throws holds more than is anybody's business. */
  @Background()
  async secretive(tag: string): Promise<void> {
    await this.body(tag, () => {
      const error = new TypeError('no answer', { cause: new Error('the line is dead') });
      throw Object.assign(error, { code: 'E_NO_ANSWER', request: { token: 'a token' } });
    });
  }

  /** Goes on when the test says so, whatever its signal says. */
  @Background({ queue: 'single' })
  async deaf(tag: string): Promise<void> {
    const { signal, attempt } = currentTask();
    signal.addEventListener('abort', () => this.book.write(tag, 'aborted', attempt));
    await this.body(tag, () => this.book.gate(tag));
  }

  @Background({ retry: { ...RETRY, retryIf: (error) => (error as Error).message !== 'final' } })
  async picky(tag: string, messages: string[]): Promise<void> {
    await this.body(tag, () => {
      const message = messages[currentTask().attempt - 1];
      if (message !== undefined) {
        throw new Error(message);
      }
    });
  }

  @Background({ retry: RETRY })
  async later(tag: string): Promise<void> {
    await this.body(tag, () => {
      if (currentTask().attempt === 1) {
        throw new RetryLaterError(100);
      }
    });
  }

  /** Asks three times to wait, of which `usesAttempt` says whether that counts, and then fails once. */
  @Background({ retry: { attempts: 5, delay: 30, factor: 100, jitter: 'none' } })
  async wishes(tag: string, usesAttempt: boolean): Promise<void> {
    await this.body(tag, () => {
      if (currentTask().attempt <= 3) {
        throw new RetryLaterError(10, 'later', { usesAttempt });
      }
      if (currentTask().attempt === 4) {
        throw new Error('once');
      }
    });
  }

  /** Its first attempt waits for its signal; the second ends at once. */
  @Background({ timeout: 80, retry: { ...RETRY, attempts: 2 } })
  async slowOnce(tag: string): Promise<void> {
    await this.body(tag, () =>
      currentTask().attempt === 1 ? this.gateOrAbort(tag) : Promise.resolve(),
    );
  }

  @Background({ dedupe: { key: (tag: string) => tag } })
  async once(tag: string): Promise<void> {
    await this.body(tag, () => this.gateOrAbort(tag));
  }

  @Background()
  async echo(tag: string, value: unknown): Promise<void> {
    await this.body(`${tag} ${JSON.stringify(value)}`, () => undefined);
  }

  @Background()
  async report(tag: string): Promise<void> {
    await this.body(tag, async () => {
      currentTask().progress(50);
      currentTask().result({ tag });
      await this.gateOrAbort(tag);
    });
  }

  /** What {@link Jobs.resulting} hands over in place of its own. */
  value: unknown = undefined;

  /** Fails in its first attempts, in which it hands over something, too. */
  @Background()
  async resulting(tag: string, failures: number): Promise<void> {
    await this.body(tag, () => {
      const { attempt } = currentTask();
      currentTask().result(this.value ?? `end ${attempt}`);
      if (attempt <= failures) {
        throw new Error('not yet');
      }
    });
  }

  private async body(tag: string, act: () => unknown): Promise<void> {
    const { attempt } = currentTask();
    this.book.write(tag, 'start', attempt);
    await act();
    this.book.write(tag, 'end', attempt);
  }

  private async gateOrAbort(tag: string): Promise<void> {
    const { signal, attempt } = currentTask();
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        this.book.write(tag, 'aborted', attempt);
        reject(signal.reason as Error);
      });
    });
    await Promise.race([this.book.gate(tag), aborted]);
  }
}

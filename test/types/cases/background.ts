import { Background } from 'nestjs-background-tasks';

export class Accepted {
  @Background()
  returnsNothing(): void {}

  @Background()
  async returnsNothingLater(): Promise<void> {}

  @Background({ queue: 'mails', retry: { attempts: 5 }, timeout: '30s' })
  async takesArguments(_to: string, _copies?: number): Promise<void> {}

  @Background()
  takesAnyNumber(..._parts: readonly unknown[]): void {}

  @Background()
  mayDoEither(isLater: boolean): void | Promise<void> {
    return isLater ? Promise.resolve() : undefined;
  }

  @Background()
  protected async isNotPublic(): Promise<void> {}

  callsIt(): Promise<void> {
    return this.isNotPublic();
  }
}

export class Refused {
  // @ts-expect-error 1241 a number would be lost
  @Background()
  returnsNumber(): number {
    return 5;
  }

  // @ts-expect-error 1241 a number would be lost
  @Background()
  async returnsNumberLater(): Promise<number> {
    return 5;
  }

  // @ts-expect-error 1241 an object would be lost
  @Background({ queue: 'mails' })
  async returnsObject(): Promise<{ id: string }> {
    return { id: '' };
  }

  // @ts-expect-error 1241 a string would be lost now and then
  @Background()
  returnsPerhaps(): string | undefined {
    return undefined;
  }

  // @ts-expect-error 1241 what it yields would be lost
  @Background()
  *generates(): Generator<number> {
    yield 5;
  }

  // @ts-expect-error 1241 only a method can be called
  @Background()
  get subject(): string {
    return '';
  }

  // @ts-expect-error 1240 only a method can be called
  @Background()
  property = 5;
}

export class RefusedOptions {
  // @ts-expect-error 2561 no such option
  @Background({ queu: 'mails' })
  unknownOption(): void {}

  // @ts-expect-error 2322 not a duration
  @Background({ timeout: '30 secs' })
  wrongDuration(): void {}
}

// @ts-expect-error 1238 a class is no task
@Background()
export class NoMethod {}

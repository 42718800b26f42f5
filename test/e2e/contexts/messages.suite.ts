import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  Module,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  BackgroundTasks,
  BackgroundTasksInterceptor,
  TaskRunner,
  Tasks,
} from 'nestjs-background-tasks';
import { concat, concatMap, defer, of, retry, throwError, type Observable } from 'rxjs';
import { History } from '../support/history.js';
import { startMicroservice, TRANSPORTS, type Channel } from '../support/messages.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { rootModule } from '../support/root-module.js';
import { turns } from '../support/time.js';
import { Admitting, Ledger, Refusing, WALKING } from './ledger.js';

/** Answers well for whatever has failed. */
@Catch()
class Excusing implements ExceptionFilter {
  catch(): Observable<string> {
    return of('excused');
  }
}

class Retrying implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(retry(2));
  }
}

class Spoiling implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(concatMap(() => throwError(() => new Error('spoiled'))));
  }
}

const answer = (data: unknown): object => ({ event: 'answer', data });
const DONE = answer('done');

// Nest 11 has no global interceptors of gateways.
@UseInterceptors(...(NEST_MAJOR < 12 ? [BackgroundTasksInterceptor] : []))
@UsePipes(WALKING)
@Controller()
@WebSocketGateway()
class Messages {
  private calls = 0;

  constructor(private readonly ledger: Ledger) {}

  @MessagePattern('given')
  @SubscribeMessage('given')
  async given(@Tasks() tasks: BackgroundTasks): Promise<object> {
    this.ledger.add('handler', tasks);
    await this.ledger.untilEnd();
    return DONE;
  }

  @MessagePattern('decorated')
  @SubscribeMessage('decorated')
  async decorated(): Promise<object> {
    this.ledger.add('handler');
    await this.ledger.untilEnd();
    return DONE;
  }

  @MessagePattern('streamed')
  @SubscribeMessage('streamed')
  streamed(@Tasks() tasks: BackgroundTasks): Observable<object> {
    this.ledger.add('handler', tasks);
    const last = defer(async () => {
      await this.ledger.untilEnd();
      return DONE;
    });
    return concat(of(answer('first')), last);
  }

  @MessagePattern('admitted')
  @SubscribeMessage('admitted')
  @UseGuards(Admitting)
  async admitted(@Tasks() tasks: BackgroundTasks): Promise<object> {
    return this.given(tasks);
  }

  @EventPattern('an event')
  async event(_data: unknown, @Tasks() tasks: unknown): Promise<void> {
    await this.given(tasks as BackgroundTasks);
  }

  @MessagePattern('broken')
  @SubscribeMessage('broken')
  broken(@Tasks() tasks: BackgroundTasks): void {
    this.ledger.add('handler', tasks);
    throw new Error('no funds');
  }

  @EventPattern('a broken event')
  brokenEvent(_data: unknown, @Tasks() tasks: unknown): void {
    this.broken(tasks as BackgroundTasks);
  }

  @MessagePattern('refused')
  @SubscribeMessage('refused')
  @UseGuards(Refusing)
  refused(): void {
    this.ledger.add('handler');
  }

  @EventPattern('a refused event')
  @UseGuards(Refusing)
  refusedEvent(_data: unknown): void {
    this.ledger.add('handler');
  }

  @MessagePattern('excused')
  @UseGuards(Refusing)
  @UseFilters(Excusing)
  excused(): void {
    this.ledger.add('handler');
  }

  @MessagePattern('spoiled')
  @SubscribeMessage('spoiled')
  @UseInterceptors(Spoiling, BackgroundTasksInterceptor)
  spoiled(@Tasks() tasks: BackgroundTasks): string {
    this.ledger.add('handler', tasks);
    return 'well done';
  }

  @MessagePattern('retried')
  @UseInterceptors(Retrying, BackgroundTasksInterceptor)
  retried(): string {
    this.calls += 1;
    this.ledger.add(`call ${this.calls}`);
    if (this.calls < 3) {
      throw new Error('not yet');
    }
    return 'at last';
  }
}

/** Made anew for each message, because it injects the collection. */
@Controller()
class ScopedMessages {
  constructor(
    private readonly tasks: BackgroundTasks,
    private readonly ledger: Ledger,
  ) {}

  @MessagePattern('injected')
  async injected(): Promise<object> {
    this.ledger.add('handler', this.tasks);
    await this.ledger.untilEnd();
    return DONE;
  }

  @MessagePattern('injected, broken')
  broken(): void {
    this.ledger.add('handler', this.tasks);
    throw new Error('no funds');
  }
}

/** A message, what its handler has run of its tasks at the end, and what is answered. */
type Case = readonly [message: string, ran: readonly string[], answers?: readonly unknown[]];

const COMPLETED: readonly Case[] = [
  ['given', ['handler: success'], [DONE]],
  ['decorated', ['handler: success'], [DONE]],
  ['streamed', ['handler: success'], [answer('first'), DONE]],
  ['admitted', ['guard: success', 'handler: success'], [DONE]],
];
const COMPLETED_RPC: readonly Case[] = [
  ['injected', ['handler: success'], [DONE]],
  ['an event', ['handler: success'], []],
];
// A gateway of Nest 11 does not tell that its guard has refused.
const FAILED: readonly Case[] = [
  ['broken', ['handler: failure']],
  ['spoiled', ['handler: failure']],
  ...(NEST_MAJOR < 12 ? [] : [['refused', ['guard: failure']] as const]),
];
const FAILED_RPC: readonly Case[] = [
  ['injected, broken', ['handler: failure']],
  ['a broken event', ['handler: failure']],
  ['refused', ['guard: failure']],
  ['a refused event', ['guard: failure']],
];

describe.each(TRANSPORTS)('messages to $name', ({ isGateway, start }) => {
  let channel: Channel;
  let history: History;
  let ledger: Ledger;

  beforeAll(async () => {
    const handlers = isGateway
      ? { providers: [Ledger, Messages] }
      : { providers: [Ledger], controllers: [Messages, ScopedMessages] };
    channel = await start(rootModule(handlers));
    history = new History(channel.app.get(TaskRunner));
    ledger = channel.app.get(Ledger);
  });
  afterEach(() => {
    history.forget();
    ledger.forget();
  });
  afterAll(() => channel.close());

  it.each(isGateway ? COMPLETED : [...COMPLETED, ...COMPLETED_RPC])(
    'P6, R3, R5: tasks wait for the end of their handler: %s',
    async (message, ran, answers = []) => {
      const reply = channel.send(message, answers.length);
      await ledger.begun.opened;
      await turns(3);
      expect(history.names('added')).toHaveLength(2 * ran.length);
      expect(history.names('queued')).toEqual([]);
      ledger.end.open();
      expect(await reply).toEqual(answers);
      await history.untilSettled(2 * ran.length);
      expect(ledger.entries).toEqual(ran);
    },
  );

  it.each(isGateway ? FAILED : [...FAILED, ...FAILED_RPC])(
    'P3, P6, R5: a handler that fails, or is refused, drops its tasks: %s',
    async (message, ran) => {
      await channel.send(message, 0);
      await history.untilSettled(2);
      expect(ledger.entries).toEqual(ran);
      expect(history.names('dropped')).toHaveLength(1);
    },
  );

  if (isGateway) {
    it('P4: a client that leaves changes nothing', async () => {
      void channel.send('given', 1);
      await ledger.begun.opened;
      await channel.leave();
      ledger.end.open();
      await history.untilSettled(2);
      expect(ledger.entries).toEqual(['handler: success']);
    });
  } else {
    it('R9: a handler that is called again leaves nothing of its failed calls', async () => {
      expect(await channel.send('retried', 1)).toEqual(['at last']);
      await history.untilSettled(6);
      expect(ledger.entries).toEqual(['call 3: success']);
    });
  }
});

const INHERITING = TRANSPORTS.filter(({ name }) => /microservice|inherits/.test(name));

it.each(INHERITING)(
  'P3, R5: a refusal that a filter answers well fails in $name',
  async ({ start }) => {
    const channel = await start(rootModule({ providers: [Ledger], controllers: [Messages] }));
    const history = new History(channel.app.get(TaskRunner));
    expect(await channel.send('excused', 1)).toEqual(['excused']);
    await history.untilSettled(2);
    expect(channel.app.get(Ledger).entries).toEqual(['guard: failure']);
    await channel.close();
  },
);

it('P15: the handlers of a class serve an application without the module, too', async () => {
  @Controller()
  class EchoController {
    @MessagePattern('echo')
    echo(): string {
      return 'echo';
    }
  }
  @Module({ controllers: [EchoController] })
  class PlainModule {}
  for (const module of [rootModule({ imports: [PlainModule] }), PlainModule]) {
    const channel = await startMicroservice(module);
    expect(await channel.send('echo', 1)).toEqual(['echo']);
    await channel.close();
  }
});

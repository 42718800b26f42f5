import { afterEach, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, Scope, UseGuards, UsePipes } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { REQUEST } from '@nestjs/core';
import {
  Args,
  Field,
  GraphQLModule,
  GraphQLSchemaHost,
  Mutation,
  ObjectType,
  Parent,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import { graphql } from 'graphql';
import { Background, BackgroundTasks, Tasks } from 'nestjs-background-tasks';
import { onEachPlatform } from '../support/platforms.js';
import { sharedApp, startApp } from '../support/running-app.js';
import { turns } from '../support/time.js';
import { Admitting, Ledger, Refusing, WALKING } from './ledger.js';

/** It gets the request. */
@Injectable({ scope: Scope.REQUEST })
class Reports {
  private count = 0;

  constructor(
    @Inject(REQUEST) private readonly request: { readonly headers: Record<string, string> },
    private readonly ledger: Ledger,
  ) {}

  begin(): void {
    this.count += 1;
  }

  @Background({ retry: { attempts: 2, delay: 1 } })
  async build(): Promise<void> {
    this.ledger.write(`of ${this.request.headers['x-tenant']}, begun ${this.count}`);
  }
}

@Resolver()
@UsePipes(WALKING)
class LedgerResolver {
  constructor(private readonly ledger: Ledger) {}

  @Query(() => String)
  read(@Tasks() tasks: BackgroundTasks): string {
    tasks.addTask(this.ledger.write, 'read');
    return 'read';
  }

  @Mutation(() => String, { nullable: true })
  pay(@Args('name') name: string, @Tasks() tasks: BackgroundTasks): string {
    tasks.addTask({ name: `paid ${name}` }, this.ledger.write, `paid ${name}`);
    tasks.addTask({ name: `refund ${name}`, when: 'failure' }, this.ledger.write, `refund ${name}`);
    tasks.addTask({ name: `audit ${name}`, when: 'always' }, this.ledger.write, `audit ${name}`);
    if (name.startsWith('bad')) {
      throw new Error('no funds');
    }
    return name;
  }

  @Mutation(() => String, { nullable: true })
  @UseGuards(Refusing)
  refused(): string {
    this.ledger.add('handler');
    return 'never';
  }

  @Mutation(() => String)
  @UseGuards(Admitting)
  admitted(): string {
    this.ledger.add('handler');
    return 'admitted';
  }

  /** Leaves a promise behind that adds tasks when the resolver is over and the request is not. */
  @Mutation(() => String, { nullable: true })
  leaveBehind(@Args('isBroken') isBroken: boolean): string {
    const addLater = async (): Promise<void> => {
      await this.ledger.begun.opened;
      this.ledger.add('left behind');
      this.ledger.end.open();
    };
    void addLater();
    if (isBroken) {
      throw new Error('no');
    }
    return 'left';
  }

  @Mutation(() => String)
  async awaitTheOther(@Tasks() tasks: BackgroundTasks): Promise<string> {
    this.ledger.begun.open();
    await this.ledger.end.opened;
    // Long enough for what was left behind to start, if it could.
    await turns(3);
    tasks.addTask(this.ledger.write, 'awaited');
    return this.ledger.entries.join();
  }
}

@ObjectType()
class Payment {
  @Field(() => String)
  name!: string;
}

@Resolver(() => Payment)
class PaymentsResolver {
  constructor(private readonly ledger: Ledger) {}

  @Query(() => [Payment])
  payments(): Payment[] {
    return [{ name: 'one' }, { name: 'other' }];
  }

  @ResolveField(() => String)
  receipt(@Parent() { name }: Payment, @Tasks() tasks: BackgroundTasks): string {
    this.ledger.add(name, tasks);
    return `of ${name}`;
  }
}

@Resolver()
class ReportsResolver {
  constructor(private readonly reports: Reports) {}

  @Query(() => String)
  report(@Tasks() tasks: BackgroundTasks): string {
    this.reports.begin();
    // oxlint-disable-next-line typescript/unbound-method -- The task finds its provider by itself.
    tasks.addTask(this.reports.build);
    return 'added';
  }
}

@Module({ providers: [Ledger], exports: [Ledger] })
class LedgerModule {}

@Module({ imports: [LedgerModule], providers: [Reports], exports: [Reports] })
class ReportsModule {}

onEachPlatform((platform) => {
  const app = sharedApp(() =>
    startApp(platform, {
      imports: [
        LedgerModule,
        ReportsModule,
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          playground: false,
          fieldResolverEnhancers: ['guards', 'interceptors', 'filters'],
          // As both platforms give it: what providers get as REQUEST.
          context: (...[first, second]: { headers?: unknown; req?: unknown }[]) => {
            const request = first?.req ?? (first?.headers ? first : second);
            return { req: request, headers: (request as { headers: unknown }).headers };
          },
        }),
      ],
      providers: [LedgerResolver, PaymentsResolver, ReportsResolver],
    }),
  );
  const ledger = (): Ledger => app().nest.get(Ledger);
  afterEach(() => ledger().forget());

  interface Answer {
    readonly data: Record<string, unknown>;
    readonly errors?: { message: string }[];
  }

  async function ask(query: string): Promise<Answer> {
    const headers = { 'x-tenant': 'acme' };
    const reply = await app().request('/graphql', { method: 'POST', body: { query }, headers });
    expect(reply.status).toBe(200);
    await app().untilClosed('/graphql');
    await app().untilAllSettled();
    expect(await app().hasStartedAfter('/graphql')).toBe(true);
    return JSON.parse(reply.body) as Answer;
  }

  it('P6, R3: the tasks of a GraphQL query run after its response has closed', async () => {
    expect(await ask('{ read }')).toEqual({ data: { read: 'read' } });
    expect(ledger().entries).toEqual(['read']);
  });

  it('P6: of two mutations in one request each decides on its own tasks', async () => {
    const { data, errors } = await ask(
      'mutation { a: pay(name: "first") b: pay(name: "bad") c: pay(name: "last") }',
    );
    expect(data).toEqual({ a: 'first', b: null, c: 'last' });
    expect(errors?.map(({ message }) => message)).toEqual(['no funds']);
    expect(ledger().entries).toEqual([
      'paid first',
      'audit first',
      'refund bad',
      'audit bad',
      'paid last',
      'audit last',
    ]);
    expect(app().names('dropped')).toEqual(['refund first', 'paid bad', 'refund last']);
  });

  it('P3, R5: a refused root field has failed, though its answer is a 200', async () => {
    await ask('mutation { refused admitted }');
    expect(ledger().entries).toEqual(['guard: failure', 'guard: success', 'handler: success']);
  });

  it.each([
    [false, 'left behind: success'],
    [true, 'left behind: failure'],
  ])(
    'P1, P3, R5: what a root field leaves behind waits for the answer, and goes by its end: broken %s',
    async (isBroken, entry) => {
      const { data } = await ask(`mutation { leaveBehind(isBroken: ${isBroken}) awaitTheOther }`);
      expect(data).toEqual({ leaveBehind: isBroken ? null : 'left', awaitTheOther: '' });
      expect(ledger().entries).toEqual([entry, 'awaited']);
    },
  );

  const PAYMENTS = '{ payments { name receipt } }';
  const RECEIPTS = ['one', 'other'].map((name) => ({ name, receipt: `of ${name}` }));

  it('P3, P20: a field of an object type goes by the status, also where interceptors see it', async () => {
    expect(await ask(PAYMENTS)).toEqual({ data: { payments: RECEIPTS } });
    expect(ledger().entries).toEqual(['one: success', 'other: success']);
    expect(app().names('dropped')).toHaveLength(2);
  });

  it('P6: a field of an object type outside an HTTP request, as over a WebSocket, goes by its own end', async () => {
    const { schema } = app().nest.get(GraphQLSchemaHost);
    const { data, errors } = await graphql({ schema, source: PAYMENTS, contextValue: {} });
    expect(errors).toBeUndefined();
    expect(data).toEqual({ payments: RECEIPTS });
    await app().untilAllSettled();
    expect(ledger().entries).toEqual(['one: success', 'other: success']);
  });

  it('R7: a method passed to addTask() runs on the object of its request', async () => {
    expect(await ask('{ report }')).toEqual({ data: { report: 'added' } });
    expect(ledger().entries).toEqual(['of acme, begun 1']);
  });
});

import { expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Args, GraphQLModule, Mutation, Query, Resolver } from '@nestjs/graphql';
import { BackgroundTasks, Tasks } from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { startApp, type RunningApp } from '../support/running-app.js';
import { Gate, turns } from '../support/time.js';

@Injectable()
class Ledger {
  readonly entries: string[] = [];
  /** Holds the floating promise of a resolver. */
  readonly later = new Gate();
  readonly held = new Gate();

  readonly write = (entry: string): void => void this.entries.push(entry);
}

@Resolver()
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

  /** Leaves a promise behind that adds a task when the resolver is over and the request is not. */
  @Mutation(() => String)
  leaveBehind(@Tasks() tasks: BackgroundTasks): string {
    const addLater = async (): Promise<void> => {
      await this.ledger.later.opened;
      tasks.addTask({ name: 'left behind' }, this.ledger.write, 'left behind');
      this.ledger.held.open();
    };
    void addLater();
    return 'left';
  }

  @Mutation(() => String)
  async awaitTheOther(@Tasks() tasks: BackgroundTasks): Promise<string> {
    this.ledger.later.open();
    await this.ledger.held.opened;
    // Long enough for what was left behind to start, if it could.
    await turns(3);
    tasks.addTask({ name: 'awaited' }, this.ledger.write, 'awaited');
    return this.ledger.entries.join();
  }
}

function startGraphQL(platform: Platform): Promise<RunningApp> {
  return startApp(platform, {
    imports: [
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        playground: false,
      }),
    ],
    providers: [Ledger, LedgerResolver],
  });
}

async function ask(
  app: RunningApp,
  query: string,
): Promise<{ data: Record<string, unknown>; errors?: { message: string }[] }> {
  const reply = await app.request('/graphql', { method: 'POST', body: { query } });
  expect(reply.status).toBe(200);
  return JSON.parse(reply.body) as ReturnType<typeof ask> extends Promise<infer T> ? T : never;
}

onEachPlatform((platform) => {
  it('P6: the tasks of a GraphQL query run after its response has closed', async () => {
    const app = await startGraphQL(platform);

    expect(await ask(app, '{ read }')).toEqual({ data: { read: 'read' } });
    await app.untilSettled(1);

    expect(app.nest.get(Ledger).entries).toEqual(['read']);
    const closedAt = await app.untilClosed('/graphql');
    expect(startOf(app, 'write')).toBeGreaterThanOrEqual(closedAt);
  });

  it('P6: of two mutations in one request each decides on its own tasks', async () => {
    const app = await startGraphQL(platform);

    const { data, errors } = await ask(
      app,
      'mutation { a: pay(name: "first") b: pay(name: "bad") c: pay(name: "last") }',
    );
    expect(data).toEqual({ a: 'first', b: null, c: 'last' });
    expect(errors?.map(({ message }) => message)).toEqual(['no funds']);
    await app.untilSettled(9);

    expect(app.nest.get(Ledger).entries).toEqual([
      'paid first',
      'audit first',
      'refund bad',
      'audit bad',
      'paid last',
      'audit last',
    ]);
    expect(app.names('dropped')).toEqual(['refund first', 'paid bad', 'refund last']);
    const closedAt = await app.untilClosed('/graphql');
    expect(startOf(app, 'paid first')).toBeGreaterThanOrEqual(closedAt);
  });

  it('P1: what is added between the end of its resolver and that of the request waits for it', async () => {
    const app = await startGraphQL(platform);

    const { data } = await ask(app, 'mutation { leaveBehind awaitTheOther }');
    expect(data).toEqual({ leaveBehind: 'left', awaitTheOther: '' });
    await app.untilSettled(2);

    expect(app.nest.get(Ledger).entries).toEqual(['left behind', 'awaited']);
  });
});

/** When the first task of this name started. */
function startOf(app: RunningApp, task: string): number {
  return app.history.find(({ type, name }) => type === 'started' && name === task)?.at ?? NaN;
}

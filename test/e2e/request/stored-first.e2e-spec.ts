import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  Catch,
  ConflictException,
  Controller,
  Get,
  Header,
  Injectable,
  Res,
  Sse,
  StreamableFile,
  UseGuards,
  type ArgumentsHost,
  type CanActivate,
} from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter } from '@nestjs/core';
import { Background, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { from, type Observable } from 'rxjs';
import { ENGINE, type Engine } from '../../../lib/engine/engine.js';
import { StoreUnavailableError } from '../../../lib/index.js';
import { Deferred } from '../../unit/support/deferred.js';
import { RawConnection } from '../support/client.js';
import { NEST_MAJOR } from '../support/nest-major.js';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { startApp, type RunningApp } from '../support/running-app.js';
import { Gate, turns } from '../support/time.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stored-first-'));
});

afterEach(() => rm(folder, { recursive: true }));

@Injectable()
class Work {
  readonly done: string[] = [];
  readonly more = new Gate();

  @Background()
  async onSuccess(text: string): Promise<void> {
    this.done.push(text);
  }

  @Background({ when: 'failure' })
  async onFailure(text: string): Promise<void> {
    this.done.push(text);
  }

  @Background({ queue: 'local', when: 'always' })
  async inMemory(text: string): Promise<void> {
    this.done.push(text);
  }

  async addAll(): Promise<void> {
    await this.onSuccess('success');
    await this.onFailure('failure');
    await this.inMemory('memory');
  }
}

@Injectable()
class Refusing implements CanActivate {
  constructor(private readonly work: Work) {}

  async canActivate(): Promise<boolean> {
    await this.work.addAll();
    return false;
  }
}

@Controller()
class KindsController {
  constructor(private readonly work: Work) {}

  @Get('json') async json(): Promise<object> {
    await this.work.addAll();
    return { kind: 'json' };
  }

  @Get('text')
  @Header('Cache-Control', 'max-age=60')
  async text(): Promise<string> {
    await this.work.addAll();
    return 'text';
  }

  @Get('thrown') async thrown(): Promise<void> {
    await this.work.addAll();
    throw new ConflictException();
  }

  @Get('bigint') async bigint(): Promise<object> {
    await this.work.addAll();
    return { id: 1n };
  }

  @Get('guarded')
  @UseGuards(Refusing)
  guarded(): void {}

  @Get('file') async file(): Promise<StreamableFile> {
    await this.work.addAll();
    return new StreamableFile(Readable.from(['x'.repeat(100_000), 'y'.repeat(100_000)]));
  }

  @Sse('events') events(): Observable<{ data: string }> {
    void this.work.addAll();
    return from([{ data: 'one' }, { data: 'two' }]);
  }

  @Get('generator') async *generator(): AsyncGenerator<string> {
    await this.work.addAll();
    yield 'first ';
    yield 'second';
  }

  @Get('raw') async raw(@Res() response: { raw?: ServerResponse }): Promise<void> {
    await this.work.addAll();
    const raw = response.raw ?? (response as ServerResponse);
    (response as { hijack?: () => void }).hijack?.();
    raw.writeHead(202, { 'Content-Type': 'text/plain' });
    raw.write('a ');
    raw.end('body');
    raw.statusCode = 500;
  }

  @Get('later') async *later(@Tasks() tasks: BackgroundTasks): AsyncGenerator<string> {
    yield 'begin ';
    await this.work.onSuccess('later');
    void tasks;
    yield 'end';
    await this.work.more.opened;
  }
}

const seen: unknown[] = [];

@Catch()
class Watching extends BaseExceptionFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    seen.push(error);
    // oxlint-disable-next-line promise/valid-params, promise/no-promise-in-callback -- It is a filter.
    super.catch(error, host);
  }
}

interface Stored {
  readonly app: RunningApp;
  readonly work: Work;
  readonly engine: Engine;
}

async function startStoring(platform: Platform): Promise<Stored> {
  seen.length = 0;
  const app = await startApp(platform, {
    controllers: [KindsController],
    providers: [Work, { provide: APP_FILTER, useClass: Watching }],
    options: {
      queues: { default: { engine: journal({ path: join(folder, 'journal') }) }, local: {} },
    },
  });
  return { app, work: app.nest.get(Work), engine: app.nest.get<Engine>(ENGINE) };
}

const KINDS = [
  ['json', 200, '{"kind":"json"}', ['success', 'memory']],
  ['text', 200, 'text', ['success', 'memory']],
  ['thrown', 409, expect.stringContaining('Conflict'), ['failure', 'memory']],
  ['bigint', 500, expect.stringContaining('Internal'), ['failure', 'memory']],
  ['guarded', 403, expect.stringContaining('Forbidden'), ['failure', 'memory']],
  ['file', 200, expect.stringMatching(/^x+y+$/), ['success', 'memory']],
  ['events', 200, expect.stringMatching(/data: one[^]*data: two/), ['success', 'memory']],
  ['generator', 200, 'first second', ['success', 'memory']],
  ['raw', 202, 'a body', ['success', 'memory']],
] as const;
const isKnown = (path: string): boolean => path !== 'generator' || NEST_MAJOR >= 12;

onEachPlatform((platform) => {
  it.each(KINDS.filter(([path]) => isKnown(path)))(
    'P17, D20: %s is stored before its first byte leaves',
    async (path, status, body, expected) => {
      const { app, work, engine } = await startStoring(platform);
      const go = new Deferred();
      const commit = engine.commit.bind(engine);
      const committed: string[][] = [];
      jest.spyOn(engine, 'commit').mockImplementation((heads, isHeld) => {
        committed.push(heads.map(({ name }) => name));
        return go.promise.then(() => commit(heads, isHeld));
      });
      const connection = await RawConnection.open(app.port);
      connection.get(`/${path}`);
      await app.untilSeen('added', 'Work.onSuccess', 'Work.onFailure', 'Work.inMemory');
      await app.request('/nowhere');
      await turns(3);
      expect([connection.received, committed.length]).toEqual(['', 1]);
      go.resolve();
      await connection.untilReceived(`HTTP/1.1 ${status}`);
      connection.destroy();
      await app.untilSettled(3);
      expect(work.done.toSorted()).toEqual(expected.toSorted());

      const response = await fetch(`http://127.0.0.1:${app.port}/${path}`);
      expect([response.status, await response.text()]).toEqual([status, body]);
    },
  );

  // Nest 11 knows no handlers that are generators.
  (NEST_MAJOR < 12 ? describe.skip : describe)('of a generator', () => {
    it('P17: what is added while the body is sent is stored at once, and runs when it is over', async () => {
      const { app, work, engine } = await startStoring(platform);
      const commit = jest.spyOn(engine, 'commit');
      const connection = await RawConnection.open(app.port);
      connection.get('/later');
      await connection.untilReceived('end');
      expect(commit.mock.calls.map(([[head], isHeld]) => [head?.name, isHeld])).toEqual([
        ['Work.onSuccess', true],
      ]);
      expect(work.done).toEqual([]);
      work.more.open();
      await app.untilSettled(1);
      expect(work.done).toEqual(['later']);
      connection.destroy();
    });
  });

  describe('P17: where the store takes nothing', () => {
    it.each(['json', 'text', 'file', 'events', 'generator', 'raw'].filter(isKnown))(
      '%s is a 503 that says when to come back, and nothing else of it leaves',
      async (path) => {
        const { app, work, engine } = await startStoring(platform);
        const down = new StoreUnavailableError('The journal');
        const commit = engine.commit.bind(engine);
        let isDown = true;
        jest.spyOn(engine, 'commit').mockImplementation((heads, isHeld) => {
          if (isDown) {
            isDown = false;
            return Promise.reject(down);
          }
          return commit(heads, isHeld);
        });
        const response = await fetch(`http://127.0.0.1:${app.port}/${path}`);
        const body = await response.text();
        expect(response.status).toBe(503);
        expect(response.headers.get('retry-after')).toBe('1');
        expect(response.headers.get('content-type')).toMatch(/^application\/json/);
        expect(response.headers.get('cache-control')).toBeNull();
        expect(JSON.parse(body)).toMatchObject({ statusCode: 503 });
        expect(seen).toEqual(platform.name === 'Fastify' && path === 'raw' ? [] : [down]);
        await app.untilSettled(3);
        expect(work.done).toEqual(['failure']);
        expect(app.names('dropped').toSorted()).toEqual(['Work.inMemory', 'Work.onSuccess']);
        // The connection is good for the next one.
        expect((await app.request(`/${path}`)).status).toBe(path === 'raw' ? 202 : 200);
      },
    );
  });
});

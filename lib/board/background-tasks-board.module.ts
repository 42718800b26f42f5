import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { IServerAdapter } from '@bull-board/api/typings/app';
import { Inject, Logger, Module, type DynamicModule, type NestModule } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { requirePeer } from '../errors/require-peer.js';
import { InvalidOptionError, TaskRunner, UnguardedBoardError, type TaskInfo } from '../index.js';
import { BoardGate } from './board-gate.js';
import type { BoardOptions } from './board-options.js';
import { excerptOf } from './excerpt.js';
import { mountBoard } from './mount.js';
import { TaskQueueAdapter } from './task-queue.adapter.js';

const OPTIONS = Symbol('nestjs-background-tasks:board-options');
const HIDDEN = 'hidden';
const LET_GO = 'let go when the task ended';

type CreateBullBoard = (board: {
  queues: readonly BaseAdapter[];
  serverAdapter: IServerAdapter;
  options: object;
}) => unknown;

/**
 * The dashboard: bull-board, showing the queues of the application, whatever keeps their tasks. Needs
 * `@bull-board/api`, and `@bull-board/express` or `@bull-board/fastify`.
 */
@Module({})
export class BackgroundTasksBoardModule implements NestModule {
  /** @internal */
  constructor(
    @Inject(OPTIONS) private readonly options: BoardOptions,
    @Inject(TaskRunner) private readonly runner: TaskRunner,
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /**
   * @param options where the board is, who may see it, and what of the tasks
   * @throws InvalidOptionError
   * @throws UnguardedBoardError at start-up, without a guard in production
   * @throws MissingPeerError at start-up, without the package for the HTTP adapter in use
   */
  static forRoot(options: BoardOptions = {}): DynamicModule {
    const { route = '/tasks' } = options;
    if (!/^(\/[\w.~-]+)+$/.test(route)) {
      throw new InvalidOptionError('route', `expected a path such as '/tasks', got '${route}'.`);
    }
    return {
      module: BackgroundTasksBoardModule,
      providers: [{ provide: OPTIONS, useValue: { ...options, route } }],
    };
  }

  /** Nest calls it before it registers routes. */
  async configure(): Promise<void> {
    const { httpAdapter } = this.adapterHost;
    if (!httpAdapter) {
      return; // without HTTP there is nothing to serve
    }
    const { route = '/tasks', guard } = this.options;
    if (guard === undefined) {
      if (process.env.NODE_ENV === 'production') {
        throw new UnguardedBoardError(route);
      }
      new Logger('BackgroundTasks').warn(
        `The board at ${route} has no guard: whoever reaches this server sees and controls all tasks.`,
      );
    }
    const { queues } = await this.runner.stats();
    const gate = new BoardGate(guard, this.moduleRef, BackgroundTasksBoardModule);
    mountBoard(httpAdapter, route, gate, (board) => this.fill(board, Object.keys(queues)));
  }

  private fill(serverAdapter: IServerAdapter, names: readonly string[]): void {
    const { createBullBoard } = requirePeer('@bull-board/api', 'nestjs-background-tasks/board') as {
      createBullBoard: CreateBullBoard;
    };
    const { readOnly = false, adapters = [], title = 'Background tasks' } = this.options;
    const showArgs = (task: TaskInfo): unknown => this.argsOf(task);
    const own = names.map((name) => new TaskQueueAdapter(name, this.runner, showArgs, readOnly));
    createBullBoard({
      queues: [...own, ...adapters],
      serverAdapter,
      options: {
        uiConfig: {
          boardTitle: title,
          hideRedisDetails: true,
          hideDocsLink: true,
          showWorkers: false,
        },
      },
    });
  }

  private argsOf(task: TaskInfo): unknown {
    const { args = process.env.NODE_ENV === 'production' ? 'hide' : 'show' } = this.options;
    if (args === 'hide') {
      return HIDDEN;
    }
    // A task that did not fail lets go of its arguments with its end.
    if (task.outcome !== undefined && task.outcome.status !== 'failed') {
      return LET_GO;
    }
    try {
      return excerptOf(args === 'show' ? task.args : args(task.args, task));
    } catch {
      return HIDDEN;
    }
  }
}

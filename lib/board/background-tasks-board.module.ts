import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { IServerAdapter } from '@bull-board/api/typings/app';
import { Inject, Logger, Module, type DynamicModule, type NestModule } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef, Reflector } from '@nestjs/core';
import { requirePeer } from '../errors/require-peer.js';
import { UnguardedBoardError } from './unguarded-board.error.js';
import { TaskRunner, type TaskInfo } from '../index.js';
import { BoardGate } from './board-gate.js';
import {
  HIDDEN,
  isWhileDeveloping,
  settingsOf,
  type BoardOptions,
  type BoardSettings,
} from './board-options.js';
import { excerptOf } from './excerpt.js';
import { mountBoard } from './mount.js';
import { restricted } from './restricted-adapter.js';
import { TaskQueueAdapter } from './task-queue.adapter.js';

const SETTINGS = Symbol('nestjs-background-tasks:board-settings');
const LET_GO = 'not kept after the end of the task';

type CreateBullBoard = (board: {
  queues: readonly BaseAdapter[];
  serverAdapter: IServerAdapter;
  options: object;
}) => unknown;

/**
 * The dashboard: bull-board with the queues of the application, whichever engine keeps their tasks.
 * Needs `@bull-board/api`, and `@bull-board/express` or `@bull-board/fastify`.
 */
@Module({})
export class BackgroundTasksBoardModule implements NestModule {
  /** @internal */
  constructor(
    @Inject(SETTINGS) private readonly settings: BoardSettings,
    @Inject(TaskRunner) private readonly runner: TaskRunner,
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /**
   * @param options where the board is, who may see it, and what it shows of tasks
   * @throws InvalidOptionError, UnknownOptionError
   * @throws UnguardedBoardError at start-up, without a guard, unless NODE_ENV is development or
   * test
   * @throws MissingPeerError at start-up, without the package for the HTTP adapter in use
   */
  static forRoot(options: BoardOptions = {}): DynamicModule {
    return {
      module: BackgroundTasksBoardModule,
      providers: [{ provide: SETTINGS, useValue: settingsOf(options) }],
    };
  }

  /** Called by Nest before it registers routes. */
  async configure(): Promise<void> {
    const { httpAdapter } = this.adapterHost;
    if (!httpAdapter) {
      return; // without HTTP there is nothing to serve
    }
    const { route, guards, decorators, readOnly } = this.settings;
    if (guards.length === 0 && !isWhileDeveloping()) {
      throw new UnguardedBoardError(route, process.env.NODE_ENV);
    }
    this.warn();
    const { queues } = await this.runner.stats();
    const gate = new BoardGate(guards, decorators ?? [], readOnly, this.moduleRef);
    mountBoard(httpAdapter, route, gate, (board) => this.fill(board, Object.keys(queues)));
  }

  private warn(): void {
    const { route, guards, decorators } = this.settings;
    const logger = new Logger('BackgroundTasks');
    if (guards.length === 0) {
      logger.warn(
        `The board at ${route} has no guard: whoever uses this machine sees and controls all tasks. ` +
          'It answers at localhost only.',
      );
    }
    const types = guards.map((guard) => (typeof guard === 'function' ? guard : guard.constructor));
    const byMetadata = types.find((type) => asksForReflector(type));
    if (byMetadata !== undefined && decorators === undefined) {
      logger.warn(
        `${byMetadata.name}, a guard of the board at ${route}, injects a Reflector. If it decides by ` +
          'metadata, it finds none here and may let everybody in. Pass the decorators that a controller ' +
          'would have, decorators: [Roles(…)], or decorators: [] if the guard needs none.',
      );
    }
  }

  private fill(serverAdapter: IServerAdapter, names: readonly string[]): void {
    const { createBullBoard } = requirePeer('@bull-board/api', 'nestjs-background-tasks/board') as {
      createBullBoard: CreateBullBoard;
    };
    const { readOnly, adapters, title } = this.settings;
    const showArgs = (task: TaskInfo): unknown => this.argsOf(task);
    const own = names.map((name) => new TaskQueueAdapter(name, this.runner, showArgs, readOnly));
    const restrictions = { isReadOnly: readOnly, areArgsHidden: this.args !== 'show' };
    createBullBoard({
      queues: [...own, ...adapters.map((adapter) => restricted(adapter, restrictions))],
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

  private get args(): NonNullable<BoardOptions['args']> {
    return this.settings.args ?? (isWhileDeveloping() ? 'show' : 'hide');
  }

  private argsOf(task: TaskInfo): unknown {
    const { args } = this;
    if (args === 'hide') {
      return HIDDEN;
    }
    // Only a failed task keeps its arguments after its end.
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

function asksForReflector(type: object): boolean {
  const needs: unknown = Reflect.getMetadata('design:paramtypes', type);
  return Array.isArray(needs) && needs.includes(Reflector);
}

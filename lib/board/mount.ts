import type { IServerAdapter } from '@bull-board/api/typings/app';
import type { HttpServer } from '@nestjs/common';
import { requirePeer } from '../errors/require-peer.js';
import type { BoardGate, RawResponse } from './board-gate.js';

/**
 * The parts of Express, Fastify and their boards that are needed here; the library depends on no
 * adapter.
 */
interface Board extends IServerAdapter {
  setBasePath(path: string): this;
}
type BoardClass<Made> = new () => Board & Made;
interface Response extends RawResponse {
  status(code: number): { send(body: unknown): unknown };
}
interface FastifyScope {
  addHook(name: 'onRequest', hook: (request: object, reply: Response) => Promise<unknown>): unknown;
  register(plugin: unknown, options?: object): unknown;
}

/** Serves the board at `route`, behind the gate. `fill` puts the queues into it. */
export function mountBoard(
  server: HttpServer,
  route: string,
  gate: BoardGate,
  fill: (board: IServerAdapter) => void,
): void {
  const isFastify = server.getType() === 'fastify';
  const peer = requirePeer(
    isFastify ? '@bull-board/fastify' : '@bull-board/express',
    'nestjs-background-tasks/board',
  );
  const letPass = async (request: object, response: Response): Promise<boolean> => {
    const refusal = await gate.refuse(request, response);
    if (refusal !== undefined) {
      response.status(refusal.status).send(refusal.body);
    }
    return refusal === undefined;
  };
  if (isFastify) {
    const { FastifyAdapter } = peer as {
      FastifyAdapter: BoardClass<{ registerPlugin(): unknown }>;
    };
    const board = new FastifyAdapter().setBasePath(route);
    fill(board);
    const serve = async (scope: FastifyScope): Promise<void> => {
      scope.addHook('onRequest', async (request, reply) =>
        (await letPass(request, reply)) ? undefined : reply,
      );
      await scope.register(board.registerPlugin());
    };
    (server.getInstance() as FastifyScope).register(serve, { prefix: route });
  } else {
    const { ExpressAdapter } = peer as { ExpressAdapter: BoardClass<{ getRouter(): unknown }> };
    const board = new ExpressAdapter().setBasePath(route);
    fill(board);
    const pass = async (request: object, response: Response, next: () => void): Promise<void> => {
      if (await letPass(request, response)) {
        next();
      }
    };
    server.use(route, ((...args: Parameters<typeof pass>) => void pass(...args)) as never);
    server.use(route, board.getRouter() as never);
  }
}

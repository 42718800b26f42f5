import type { IServerAdapter } from '@bull-board/api/typings/app';
import type { HttpServer } from '@nestjs/common';
import { requirePeer } from '../errors/require-peer.js';
import type { BoardGate, RawResponse } from './board-gate.js';

const USER = 'nestjs-background-tasks/board';

/** The parts of Express and Fastify that are needed here; the library depends on no adapter. */
interface ExpressBoard extends IServerAdapter {
  setBasePath(path: string): this;
  getRouter(): unknown;
}
interface FastifyBoard extends IServerAdapter {
  setBasePath(path: string): this;
  registerPlugin(): unknown;
}
interface Reply extends RawResponse {
  status(code: number): { send(body: unknown): unknown };
}
interface FastifyScope {
  addHook(name: 'onRequest', hook: (request: object, reply: Reply) => Promise<unknown>): unknown;
  register(plugin: unknown, options?: object): unknown;
}
interface ExpressResponse extends RawResponse {
  status(code: number): { json(body: unknown): unknown };
}

/** Serves the board at `route`, behind the gate. `fill` puts the queues into it. */
export function mountBoard(
  server: HttpServer,
  route: string,
  gate: BoardGate,
  fill: (board: IServerAdapter) => void,
): void {
  if (server.getType() === 'fastify') {
    mountOnFastify(server.getInstance() as FastifyScope, route, gate, fill);
  } else {
    mountOnExpress(server, route, gate, fill);
  }
}

function mountOnExpress(
  server: HttpServer,
  route: string,
  gate: BoardGate,
  fill: (board: IServerAdapter) => void,
): void {
  const { ExpressAdapter } = requirePeer('@bull-board/express', USER) as {
    ExpressAdapter: new () => ExpressBoard;
  };
  const board = new ExpressAdapter().setBasePath(route);
  fill(board);
  const pass = (request: object, response: ExpressResponse, next: () => void): void => {
    void letPass(gate, request, response, next);
  };
  server.use(route, pass as never);
  server.use(route, board.getRouter() as never);
}

async function letPass(
  gate: BoardGate,
  request: object,
  response: ExpressResponse,
  next: () => void,
): Promise<void> {
  const refusal = await gate.refuse(request, response);
  if (refusal === undefined) {
    next();
  } else {
    response.status(refusal.status).json(refusal.body);
  }
}

function mountOnFastify(
  fastify: FastifyScope,
  route: string,
  gate: BoardGate,
  fill: (board: IServerAdapter) => void,
): void {
  const { FastifyAdapter } = requirePeer('@bull-board/fastify', USER) as {
    FastifyAdapter: new () => FastifyBoard;
  };
  const board = new FastifyAdapter().setBasePath(route);
  fill(board);
  fastify.register(
    async (scope: FastifyScope) => {
      scope.addHook('onRequest', async (request, reply) => {
        const refusal = await gate.refuse(request, reply);
        return refusal && reply.status(refusal.status).send(refusal.body);
      });
      await scope.register(board.registerPlugin());
    },
    { prefix: route },
  );
}

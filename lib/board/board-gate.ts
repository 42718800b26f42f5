import {
  ForbiddenException,
  HttpException,
  HttpStatus,
  MethodNotAllowedException,
} from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import type { BoardDecorator, BoardGuard } from './board-options.js';
import { guardedBy, isLetIn, type Guarded } from './guard-context.js';
import { isReading, requireLoopback, requireSameSite, type RawRequest } from './same-site.js';

/** The parts of a response that Express and Fastify have in common. */
export interface RawResponse {
  getHeader(name: string): unknown;
  header(name: string, value: string): unknown;
}

/** The answer to a request that is not let in. */
export interface Refusal {
  readonly status: number;
  readonly body: object;
}

const NO_FRAMES = "frame-ancestors 'none'";

/** Checks every request to the board, those for its pages and files included. */
export class BoardGate {
  private readonly guarded: Guarded;

  /** @param guards all of them must agree; without guards only this machine is let in */
  constructor(
    private readonly guards: readonly BoardGuard[],
    decorators: readonly BoardDecorator[],
    private readonly isReadOnly: boolean,
    private readonly moduleRef: ModuleRef,
  ) {
    this.guarded = guardedBy(decorators);
  }

  /** @returns `undefined` where the request may pass */
  async refuse(request: RawRequest, response: RawResponse): Promise<Refusal | undefined> {
    forbidFrames(response);
    try {
      await this.check(request, response);
      return undefined;
    } catch (error) {
      if (!(error instanceof HttpException)) {
        return refusal(HttpStatus.INTERNAL_SERVER_ERROR, 'The guard of the board failed.');
      }
      const body = error.getResponse();
      const status = error.getStatus();
      return typeof body === 'string' ? refusal(status, body) : { status, body };
    }
  }

  /** @throws HttpException, or what a guard throws */
  private async check(request: RawRequest, response: RawResponse): Promise<void> {
    requireSameSite(request);
    if (this.guards.length === 0) {
      requireLoopback(request);
    }
    for (const guard of this.guards) {
      if (!(await isLetIn(guard, [request, response], this.guarded, this.moduleRef))) {
        throw new ForbiddenException();
      }
    }
    if (this.isReadOnly && !isReading(request)) {
      throw new MethodNotAllowedException('The board is read-only.');
    }
  }
}

/** A body as Nest's own: bare text would be served as a page. */
function refusal(status: number, message: string): Refusal {
  return { status, body: { statusCode: status, message } };
}

/** In a frame of another page, users could press buttons that they do not see. */
function forbidFrames(response: RawResponse): void {
  const policy = response.getHeader('content-security-policy');
  response.header('x-frame-options', 'DENY');
  // Policies add up: the application's own still holds.
  response.header(
    'content-security-policy',
    typeof policy === 'string' ? `${policy}, ${NO_FRAMES}` : NO_FRAMES,
  );
}

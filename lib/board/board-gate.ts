import {
  ForbiddenException,
  HttpException,
  type CanActivate,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { lastValueFrom, isObservable } from 'rxjs';
import type { BoardGuard } from './board-options.js';

interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** Why a request is not let in: a status and a body to answer with. */
export interface Refusal {
  readonly status: number;
  readonly body: object | string;
}

const READING = new Set(['GET', 'HEAD']);

const nothing = (): void => undefined;

/** Stands before every request to the board, its pages and its files included. */
export class BoardGate {
  constructor(
    private readonly guard: BoardGuard | undefined,
    private readonly moduleRef: ModuleRef,
    private readonly host: Type<unknown>,
  ) {}

  /** @returns `undefined` where the request may pass */
  async refuse(request: object, response: object): Promise<Refusal | undefined> {
    try {
      // A page elsewhere could make the browser of somebody who may use the board do so.
      if (isForeign(request)) {
        throw new ForbiddenException('Requests from other sites change nothing here.');
      }
      if (!(await this.isAllowed(request, response))) {
        throw new ForbiddenException();
      }
      return undefined;
    } catch (error) {
      return error instanceof HttpException
        ? { status: error.getStatus(), body: error.getResponse() }
        : { status: 500, body: { statusCode: 500, message: 'The guard of the board failed.' } };
    }
  }

  private async isAllowed(request: object, response: object): Promise<boolean> {
    const { guard } = this;
    if (guard === undefined) {
      return true;
    }
    if (typeof guard === 'function' && !isGuardClass(guard)) {
      return guard(request, response);
    }
    const instance = typeof guard === 'function' ? await this.resolve(guard) : guard;
    const verdict = instance.canActivate(contextOf([request, response], this.host));
    return isObservable(verdict) ? lastValueFrom(verdict) : verdict;
  }

  private async resolve(guard: Type<CanActivate>): Promise<CanActivate> {
    try {
      return this.moduleRef.get(guard, { strict: false });
    } catch {
      return this.moduleRef.create(guard);
    }
  }
}

function isGuardClass(
  guard: Extract<BoardGuard, (...args: never[]) => unknown> | Type<CanActivate>,
): guard is Type<CanActivate> {
  const { prototype } = guard as { prototype?: Partial<CanActivate> };
  return typeof prototype?.canActivate === 'function';
}

function isForeign({ method = 'GET', headers }: RawRequest): boolean {
  return !READING.has(method) && headers?.['sec-fetch-site'] === 'cross-site';
}

/** What a guard of Nest's is asked with; there is no handler of Nest's behind it. */
function contextOf(args: [object, object], host: Type<unknown>): ExecutionContext {
  const http = { getRequest: () => args[0], getResponse: () => args[1], getNext: () => nothing };
  return {
    getClass: () => host,
    getHandler: () => nothing,
    getArgs: () => args,
    getArgByIndex: (index: number) => args[index],
    getType: () => 'http',
    switchToHttp: () => http,
    switchToRpc: () => ({ getContext: () => args[1], getData: () => args[0] }),
    switchToWs: () => ({
      getClient: () => args[0],
      getData: () => args[1],
      getPattern: () => '',
    }),
  } as unknown as ExecutionContext;
}

import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { isGuardClass, type BoardDecorator, type BoardGuard } from './board-options.js';

/** Stands for the controller and the handler whose metadata a guard reads. */
export interface Guarded {
  readonly type: Type<unknown>;
  readonly handler: () => void;
}

/** Both carry the metadata: guards read it from either. */
export function guardedBy(decorators: readonly BoardDecorator[]): Guarded {
  class BackgroundTasksBoard {
    serve(this: void): void {}
  }
  const { prototype } = BackgroundTasksBoard;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'serve') as PropertyDescriptor;
  for (const decorate of decorators.toReversed()) {
    decorate(BackgroundTasksBoard);
    decorate(prototype, 'serve', descriptor);
  }
  return { type: BackgroundTasksBoard, handler: prototype.serve };
}

export async function isLetIn(
  guard: BoardGuard,
  args: [request: object, response: object],
  guarded: Guarded,
  moduleRef: ModuleRef,
): Promise<boolean> {
  if (typeof guard === 'function' && !isGuardClass(guard)) {
    return guard(...args);
  }
  const instance = typeof guard === 'function' ? await resolve(guard, moduleRef) : guard;
  const verdict = instance.canActivate(contextOf(args, guarded));
  return isObservable(verdict) ? lastValueFrom(verdict) : verdict;
}

async function resolve(guard: Type<CanActivate>, moduleRef: ModuleRef): Promise<CanActivate> {
  try {
    return moduleRef.get(guard, { strict: false });
  } catch {
    return moduleRef.create(guard);
  }
}

const nothing = (): void => undefined;

/** The context for a Nest guard. There is no Nest handler behind it. */
function contextOf(args: [object, object], { type, handler }: Guarded): ExecutionContext {
  const http = { getRequest: () => args[0], getResponse: () => args[1], getNext: () => nothing };
  return {
    getClass: () => type,
    getHandler: () => handler,
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

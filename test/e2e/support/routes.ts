import {
  Controller,
  Req,
  RequestMapping,
  RequestMethod,
  Res,
  Sse,
  type Type,
} from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Tasks, type BackgroundTasks } from 'nestjs-background-tasks';

/** What both platforms have. */
export interface AnyRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** What may be done with a response on either platform. */
export interface AnyResponse {
  readonly raw?: ServerResponse;
  status(code: number): unknown;
  send(body: unknown): unknown;
}

export const rawOf = (response: AnyResponse): ServerResponse =>
  response.raw ?? (response as unknown as ServerResponse);

type Act = (tasks: BackgroundTasks, request: AnyRequest) => unknown;
type Answer = (tasks: BackgroundTasks, response: AnyResponse) => unknown;

class Answering {
  constructor(
    readonly answer: Answer,
    readonly options: { readonly passthrough: boolean },
  ) {}
}

/** A handler with `@Res()`. */
export const answering = (answer: Answer): Answering =>
  new Answering(answer, { passthrough: false });
/** A handler with `@Res({ passthrough: true })`. */
export const touching = (answer: Answer): Answering => new Answering(answer, { passthrough: true });

export type Route = Act | Answering | [Act | Answering, ...MethodDecorator[]];

/**
 * A controller with `@Tasks()` as the first argument of each handler.
 *
 * @param all `GET /path`, or `SSE /path` → what is done there, and further decorators of it
 */
export function routes(all: Record<string, Route>, ...decorators: ClassDecorator[]): Type {
  // oxlint-disable-next-line typescript/no-extraneous-class -- It gets its methods below.
  class RoutesController {}
  for (const [asked, route] of Object.entries(all)) {
    const [handler, ...own] = Array.isArray(route) ? route : [route];
    const [method = '', path = ''] = asked.split(' ');
    const value =
      handler instanceof Answering
        ? (tasks: BackgroundTasks, response: AnyResponse) => handler.answer(tasks, response)
        : (tasks: BackgroundTasks, request: AnyRequest) => handler(tasks, request);
    const { prototype } = RoutesController;
    Object.defineProperty(prototype, asked, { value, configurable: true, writable: true });
    const descriptor = Object.getOwnPropertyDescriptor(prototype, asked) as PropertyDescriptor;
    const mapping =
      method === 'SSE'
        ? Sse(path)
        : RequestMapping({ path, method: RequestMethod[method as keyof typeof RequestMethod] });
    [mapping, ...own].forEach((decorate) => void decorate(prototype, asked, descriptor));
    Tasks()(prototype, asked, 0);
    const second = handler instanceof Answering ? Res(handler.options) : Req();
    second(prototype, asked, 1);
  }
  [Controller(), ...decorators].forEach((decorate) => decorate(RoutesController));
  return RoutesController;
}

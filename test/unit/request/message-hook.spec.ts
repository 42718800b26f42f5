import { describe, expect, it } from '@jest/globals';
import { ApplicationConfig, ExternalContextCreator, NestContainer } from '@nestjs/core';
import { BackgroundTasksInterceptor } from '../../../lib/index.js';
import { MessageHook } from '../../../lib/request/nest/message-hook.js';
import { createKit } from '../support/kit.js';

/** What Nest itself has, before it makes any handler. */
function nest() {
  const config = new ApplicationConfig();
  const container = new NestContainer(config);
  const resolvers = ExternalContextCreator.fromContainer(container);
  return { config, modules: container.getModules(), resolvers };
}

type Nest = ReturnType<typeof nest>;

/** A version of Nest that does not have it. */
function without(object: object, name: string): void {
  Object.defineProperty(object, name, { value: undefined });
}

function warningsOf(change: (parts: Nest) => void): string[] {
  const parts = nest();
  change(parts);
  const { requests } = createKit();
  const interceptor = new BackgroundTasksInterceptor(requests);
  const { modules, config, resolvers } = parts;
  const said: string[] = [];
  const warn = (text: string): void => void said.push(text);
  const hook = new MessageHook(requests, interceptor, modules, config, resolvers, warn);
  hook.install();
  hook.bindSockets();
  return said;
}

describe('P20: the hook for messages', () => {
  it('finds the internals of this version of Nest', () => {
    expect(warningsOf(() => undefined)).toEqual([]);
    expect(warningsOf(({ modules }) => modules.addRpcTarget({ addHandler: () => 0 }))).toEqual([]);
  });

  it.each<[string, string, (parts: Nest) => void]>([
    [
      'ModulesContainer.getRpcTargetRegistry()',
      'the handlers of microservices',
      ({ modules }) => without(modules, 'getRpcTargetRegistry'),
    ],
    [
      'Server.addHandler()',
      'the handlers of microservices',
      ({ modules }) => modules.addRpcTarget({}),
    ],
    [
      'ExternalContextCreator.create()',
      'resolvers',
      ({ resolvers }) => without(resolvers, 'create'),
    ],
    [
      'WebSocketAdapter.bindMessageHandlers()',
      'gateways',
      ({ config }) => config.setIoAdapter({} as never),
    ],
  ])('warns once if %s is not there, and nothing breaks', (what, whose, change) => {
    expect(warningsOf(change)).toEqual([
      expect.stringMatching(
        new RegExp(`^${what.replace(/[().]/g, '\\$&')} is not as .* guards of ${whose} `),
      ),
    ]);
  });
});

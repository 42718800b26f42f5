import type { LoggerService, Type } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';

type Provider = ReturnType<DiscoveryService['getProviders']>[number];

/** The metadata of methods that Nest's packages call by themselves. */
const JOBS: Readonly<Record<string, string>> = {
  SCHEDULE_CRON_OPTIONS: '@Cron()',
  SCHEDULE_INTERVAL_OPTIONS: '@Interval()',
  SCHEDULE_TIMEOUT_OPTIONS: '@Timeout()',
  EVENT_LISTENER_METADATA: '@OnEvent()',
};
const GATEWAY = 'websockets:is_gateway';

/**
 * Warns of each class with jobs that needs the request-scoped `scoped`. Such a class is
 * request-scoped as well, and Nest registers none of its schedules.
 */
export function warnOfJobsPerRequest(
  discovery: DiscoveryService,
  scoped: Type<unknown>,
  logger: LoggerService,
): void {
  for (const provider of [...discovery.getProviders(), ...discovery.getControllers()]) {
    const jobs = provider.isDependencyTreeStatic() ? [] : jobsOf(provider.metatype);
    const path = jobs.length === 0 ? undefined : pathTo(provider, scoped, new Set());
    if (path !== undefined) {
      const [name = ''] = path;
      logger.warn(
        `${name} has ${jobs.join(', ')} and needs ${scoped.name} (${path.join(' → ')}), which is ` +
          `request-scoped. That makes ${name} request-scoped, too: Nest registers none of its schedules, ` +
          'and makes a new instance for each event and message. Inject TaskRunner there, or use ' +
          '@Tasks() in a handler.',
      );
    }
  }
}

function jobsOf(type: Provider['metatype']): string[] {
  const prototype: unknown = type?.prototype;
  if (typeof type !== 'function' || typeof prototype !== 'object' || prototype === null) {
    return [];
  }
  const jobs = new Set(Reflect.getMetadata(GATEWAY, type) === true ? ['@WebSocketGateway()'] : []);
  for (let each = prototype; each !== Object.prototype; each = Object.getPrototypeOf(each)) {
    for (const { value } of Object.values(Object.getOwnPropertyDescriptors(each))) {
      const keys = typeof value === 'function' ? Reflect.getMetadataKeys(value) : [];
      keys.forEach((key) => typeof key === 'string' && JOBS[key] && jobs.add(JOBS[key]));
    }
  }
  return [...jobs];
}

/** The classes through which `from` needs `scoped`: by constructor, properties, guards and the like. */
function pathTo(from: Provider, scoped: unknown, seen: Set<Provider>): string[] | undefined {
  if (from.token === scoped) {
    return [from.name];
  }
  if (seen.has(from)) {
    return undefined;
  }
  seen.add(from);
  // Nest's own records. If a version of Nest has none, there is no warning.
  const { getCtorMetadata, getPropertiesMetadata, getEnhancersMetadata } =
    from as Partial<Provider>;
  for (const each of [
    ...(getCtorMetadata?.call(from) ?? []),
    ...(getPropertiesMetadata?.call(from) ?? []).map(({ wrapper }) => wrapper),
    ...(getEnhancersMetadata?.call(from) ?? []),
  ]) {
    const rest = pathTo(each, scoped, seen);
    if (rest !== undefined) {
      return [from.name, ...rest];
    }
  }
  return undefined;
}

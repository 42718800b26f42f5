import type { LoggerService, Type } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';

type Provider = ReturnType<DiscoveryService['getProviders']>[number];

/** What Nest's packages leave on a method that they call by themselves. */
const JOBS: Readonly<Record<string, string>> = {
  SCHEDULE_CRON_OPTIONS: '@Cron()',
  SCHEDULE_INTERVAL_OPTIONS: '@Interval()',
  SCHEDULE_TIMEOUT_OPTIONS: '@Timeout()',
  EVENT_LISTENER_METADATA: '@OnEvent()',
};
const GATEWAY = 'websockets:is_gateway';

/**
 * Warns of each class with jobs that needs `scoped`, which is made for each request: then so is the
 * class, and Nest registers none of its schedules.
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
        `${name} has ${jobs.join(', ')} and needs ${scoped.name} (${path.join(' → ')}), which is made ` +
          `for each request. So is ${name}: Nest registers none of its schedules, and makes it anew ` +
          'for each event and message. Inject TaskRunner there, or @Tasks() into a handler.',
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

/** By which classes it comes to need it: constructor, properties, and the guards on it and the like. */
function pathTo(from: Provider, scoped: unknown, seen: Set<Provider>): string[] | undefined {
  if (from.token === scoped) {
    return [from.name];
  }
  if (seen.has(from)) {
    return undefined;
  }
  seen.add(from);
  // Nest's own notes. Where a version has none, nobody is warned.
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

import { ContextIdFactory, REQUEST, type DiscoveryService, type ModuleRef } from '@nestjs/core';

export type Provider = ReturnType<DiscoveryService['getProviders']>[number];
type ContextId = ReturnType<typeof ContextIdFactory.create>;

/** Contexts of requests for which Nest has made none, so that all tasks of a request share one. */
const contexts = new WeakMap<object, ContextId>();

/**
 * The object to call a provider's method on.
 *
 * @param request selects the instance of a request-scoped provider
 */
export async function instanceOf(
  provider: Provider,
  moduleRef: ModuleRef,
  request: object | undefined,
): Promise<object> {
  if (provider.isDependencyTreeStatic() && !provider.isTransient) {
    return provider.instance as object;
  }
  const context = request && contextOf(request, provider, moduleRef);
  return moduleRef.resolve<object>(provider.token as never, context, { strict: false });
}

function contextOf(request: object, provider: Provider, moduleRef: ModuleRef): ContextId {
  const known = contexts.get(request);
  if (known !== undefined) {
    return known;
  }
  const context = ContextIdFactory.getByRequest(request);
  // Nest keeps its context on the request; if it returns a new one each time, it has none yet.
  if (ContextIdFactory.getByRequest(request) !== context) {
    const shown: unknown = provider.isDependencyTreeDurable() ? context.payload : request;
    moduleRef.registerRequestByContextId(shown, context);
    contexts.set(request, context);
  }
  return context;
}

/**
 * Whether a provider, or any of its dependencies, gets the request.
 *
 * @param all where to find dependencies that Nest has not resolved yet
 */
export function needsRequest(
  provider: Provider,
  all: readonly Provider[],
  seen = new Set<Provider>(),
): boolean {
  if (seen.has(provider) || provider.isDependencyTreeStatic()) {
    return false;
  }
  seen.add(provider);
  const parts = [
    ...(provider.getCtorMetadata() ?? []),
    ...(provider.getPropertiesMetadata() ?? []).map(({ wrapper }) => wrapper),
  ];
  // Nest 11 resolves them at the first request.
  const tokens = parts.length === 0 ? declaredBy(provider) : [];
  return (
    tokens.includes(REQUEST) ||
    [...parts, ...all.filter(({ token }) => tokens.includes(token))].some(
      (part) => part.token === REQUEST || needsRequest(part, all, seen),
    )
  );
}

/** The injection tokens of a class or factory, as recorded by Nest's decorators and the compiler. */
function declaredBy({ metatype, inject }: Provider): unknown[] {
  const left = (key: string): unknown[] =>
    typeof metatype === 'function'
      ? ((Reflect.getMetadata(key, metatype) as unknown[] | undefined) ?? [])
      : [];
  const chosen = left('self:paramtypes').map((each) => (each as { param: unknown }).param);
  const properties = left('self:properties_metadata').map(
    (each) => (each as { type: unknown }).type,
  );
  const tokens = [...(inject ?? []), ...left('design:paramtypes'), ...chosen, ...properties];
  return tokens.map(
    (token) => (token as { forwardRef?: () => unknown } | undefined)?.forwardRef?.() ?? token,
  );
}

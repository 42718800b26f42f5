import { ForbiddenException } from '@nestjs/common';

/** The parts of a request that Express and Fastify have in common. */
export interface RawRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
}

const READING = new Set(['GET', 'HEAD']);

export function isReading({ method = 'GET' }: RawRequest): boolean {
  return READING.has(method);
}

/**
 * A page elsewhere could make the browser of somebody who may use the board do so, with the
 * credentials that the browser sends along. A link from elsewhere may open the board.
 *
 * @throws ForbiddenException
 */
export function requireSameSite(request: RawRequest): void {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode, origin } = request.headers ?? {};
  if (site === undefined) {
    // Not sent over plain HTTP. A request without an Origin either is not made by a page.
    if (origin !== undefined && !isOf(hostIn(request), String(origin))) {
      throw new ForbiddenException(
        `The board does nothing for a page of ${String(origin)}: this is ${hostIn(request)}.`,
      );
    }
  } else if (
    site !== 'same-origin' &&
    site !== 'none' &&
    !(mode === 'navigate' && isReading(request))
  ) {
    throw new ForbiddenException('The board does nothing for pages of other sites.');
  }
}

/**
 * A foreign name that leads to this machine makes a foreign page one of the same site. Without a
 * guard nothing else would be in its way.
 *
 * @throws ForbiddenException
 */
export function requireLoopback(request: RawRequest): void {
  const host = hostIn(request);
  const name = /^[\w.:[\]-]+$/.test(host) ? (urlOf(`http://${host}`)?.hostname ?? '') : '';
  if (!/^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(name)) {
    throw new ForbiddenException(
      `A board without a guard answers at localhost only, not at ${host || 'no host'}.`,
    );
  }
}

function hostIn({ headers = {} }: RawRequest): string {
  return String(headers['host'] ?? headers[':authority'] ?? '');
}

/** With the port that a scheme has anyway, or without it. */
function isOf(host: string, origin: string): boolean {
  const from = urlOf(origin);
  return from !== undefined && from.host === urlOf(`${from.protocol}//${host}`)?.host;
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

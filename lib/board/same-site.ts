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
 * A page of another site could make a user's browser send requests to the board, with the user's
 * credentials. A link on another site may open the board.
 *
 * @throws ForbiddenException
 */
export function requireSameSite(request: RawRequest): void {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode, origin } = request.headers ?? {};
  if (site === undefined) {
    // Browsers omit sec-fetch-site over plain HTTP. A request that lacks an Origin, too, is not
    // from a page.
    if (origin !== undefined && !isOf(hostIn(request), String(origin))) {
      throw new ForbiddenException(
        `The board at ${hostIn(request)} refuses requests from pages of ${String(origin)}.`,
      );
    }
  } else if (
    site !== 'same-origin' &&
    site !== 'none' &&
    !(mode === 'navigate' && isReading(request))
  ) {
    throw new ForbiddenException('The board refuses requests from pages of other sites.');
  }
}

/**
 * A page whose foreign name resolves to this machine is of the same site (DNS rebinding). Without a
 * guard nothing else would stop it.
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

/** URLs omit the default port of their scheme, so both spellings are equal. */
function isOf(host: string, origin: string): boolean {
  const from = urlOf(origin);
  return from !== undefined && from.host === urlOf(`${from.protocol}//${host}`)?.host;
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

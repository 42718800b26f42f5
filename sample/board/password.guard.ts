import { createHash, timingSafeEqual } from 'node:crypto';
import { UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';

interface Request {
  readonly headers: { readonly authorization?: string };
}
interface Response {
  header(name: string, value: string): unknown;
}

/** Asks as a browser understands it: a form for name and password, which it then sends by itself. */
export class PasswordGuard implements CanActivate {
  private readonly expected: Buffer;

  /** @param password of the user `admin` */
  constructor(password: string) {
    this.expected = digestOf(`Basic ${Buffer.from(`admin:${password}`).toString('base64')}`);
  }

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const { authorization = '' } = http.getRequest<Request>().headers;
    // Digests are of one length, and comparing them takes one time, however much of it is right.
    if (!timingSafeEqual(digestOf(authorization), this.expected)) {
      http.getResponse<Response>().header('www-authenticate', 'Basic realm="tasks"');
      throw new UnauthorizedException();
    }
    return true;
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

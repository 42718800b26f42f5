import { createHash, timingSafeEqual } from 'node:crypto';
import { UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';

interface Request {
  readonly headers: { readonly authorization?: string };
}
interface Response {
  header(name: string, value: string): unknown;
}

/**
 * HTTP basic authentication: a browser shows a form for name and password, and then sends them
 * itself.
 */
export class PasswordGuard implements CanActivate {
  private readonly expected: Buffer;

  /** @param password of the user `admin` */
  constructor(password: string) {
    this.expected = digestOf(`Basic ${Buffer.from(`admin:${password}`).toString('base64')}`);
  }

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const { authorization = '' } = http.getRequest<Request>().headers;
    // Digests have one length, and comparing them takes the same time however much is right.
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

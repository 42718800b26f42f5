import {
  BadRequestException,
  Injectable,
  UnsupportedMediaTypeException,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import type { Observable } from 'rxjs';
import { directory } from './directory.js';

/** The value of `@UploadedFile()`: a file on disk, which is no longer part of the request. */
export interface Upload {
  readonly path: string;
  readonly originalname: string;
  readonly size: number;
}

interface UploadRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly raw?: UploadRequest;
  file?: Upload;
}

const MAX_MEGABYTES = 10;

/**
 * Takes one file of at most 10 MB from the form field `file`, on Express and on Fastify, and writes
 * it to disk as it arrives: a task gets its path. Answers 415 to anything but a form, 400 without a
 * file, and 413 if it is too large.
 */
@Injectable()
export class UploadInterceptor implements NestInterceptor {
  private receiver: NestInterceptor | undefined;

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<UploadRequest>();
    if (!request.headers['content-type']?.startsWith('multipart/form-data')) {
      throw new UnsupportedMediaTypeException('Send a form (multipart/form-data).');
    }
    // Fastify wraps the request; multer wants the stream itself.
    const raw = request.raw ?? request;
    const streams = {
      switchToHttp: () => ({
        getRequest: () => raw,
        getResponse: () => http.getResponse<unknown>(),
      }),
    };
    this.receiver ??= await receiveInto('var/uploads');
    return this.receiver.intercept(streams as ExecutionContext, {
      handle: () => {
        if (raw.file === undefined) {
          throw new BadRequestException('The form has no field "file" with a file in it.');
        }
        request.file = raw.file;
        return next.handle();
      },
    });
  }
}

async function receiveInto(path: string): Promise<NestInterceptor> {
  const Receiver = FileInterceptor('file', {
    dest: await directory(path),
    limits: { fileSize: MAX_MEGABYTES * 1024 * 1024, files: 1 },
  });
  return new Receiver();
}

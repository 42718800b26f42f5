import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { UploadInterceptor } from './upload.interceptor.js';

/** For the scenarios with uploads. */
@Module({ providers: [UploadInterceptor], exports: [UploadInterceptor] })
export class UploadsModule implements OnModuleInit {
  constructor(private readonly host: HttpAdapterHost) {}

  /** Fastify refuses bodies without a parser; the interceptor reads forms from the stream. */
  onModuleInit(): void {
    if (this.host.httpAdapter.getType() === 'fastify') {
      this.host.httpAdapter
        .getInstance<FastifyInstance>()
        .addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null));
    }
  }
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Injectable, Module, Post, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  context,
  propagation,
  SpanKind,
  trace,
  type Context,
  type TextMapPropagator,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { Background, BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { BackgroundTasksMetricsModule } from 'nestjs-background-tasks/metrics';
import request from 'supertest';
import { eventually } from '../../support/eventually.js';
import type { TestServer } from '../../support/servers.js';
import { TestStore } from './store.js';

/** What an SDK registers by default: the header of the W3C. */
const traceparent: TextMapPropagator = {
  inject(from: Context, carrier, setter) {
    const span = trace.getSpanContext(from);
    if (span !== undefined) {
      setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`);
    }
  },
  extract(into, carrier, getter) {
    const [, traceId, spanId] = String(getter.get(carrier, 'traceparent')).split('-');
    return traceId === undefined || spanId === undefined
      ? into
      : trace.setSpanContext(into, { traceId, spanId, traceFlags: 1, isRemote: true });
  },
  fields: () => ['traceparent'],
};

/** Each of the two applications has a tracer of its own, as two processes have. */
function newTracing(): { spans: () => ReadableSpan[]; provider: BasicTracerProvider } {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  return { spans: () => exporter.getFinishedSpans(), provider };
}

const tenants = new AsyncLocalStorage<unknown>();
const seen: unknown[] = [];

@Injectable()
class Mailer {
  @Background({ name: 'welcome', retry: { attempts: 2, delay: 10, jitter: 'none' } })
  async welcome(): Promise<void> {
    seen.push(tenants.getStore());
    if (seen.length === 1) {
      throw new Error('no connection');
    }
  }
}

@Controller()
class UsersController {
  constructor(private readonly mailer: Mailer) {}

  @Post('users')
  async create(): Promise<void> {
    await this.mailer.welcome();
  }
}

export function traceSuite(makeServer: () => Promise<TestServer>): void {
  const store = new TestStore(makeServer);

  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(traceparent);
  });
  afterAll(() => {
    context.disable();
    propagation.disable();
  });

  it("the trace of a task that another process runs is the request's, beside what is carried", async () => {
    const { url: connection, prefix } = store;
    const moduleOf = (role: 'producer' | 'worker', provider: BasicTracerProvider): Type => {
      @Module({
        imports: [
          BackgroundTasksModule.forRoot({
            engine: bullmq({ connection, prefix, role }),
            carry: {
              capture: () => tenants.getStore(),
              restore: (tenant, run) => tenants.run(tenant, run),
            },
          }),
          BackgroundTasksMetricsModule.forRoot({
            openTelemetry: { tracer: provider.getTracer(role) },
          }),
        ],
        controllers: role === 'producer' ? [UsersController] : [],
        providers: [Mailer],
      })
      class Root {}
      return Root;
    };

    const producing = newTracing();
    const tracer = producing.provider.getTracer('http');
    const producer = await NestFactory.create(moduleOf('producer', producing.provider), {
      logger: false,
    });
    store.closing(producer);
    // What an instrumentation of HTTP does: the request is handled inside its span.
    producer.use((_: unknown, response: NodeJS.EventEmitter, next: () => void) => {
      const span = tracer.startSpan('POST /users', { kind: SpanKind.SERVER });
      response.once('close', () => span.end());
      context.with(trace.setSpan(context.active(), span), () => tenants.run({ id: 'acme' }, next));
    });
    await producer.listen(0, '127.0.0.1');
    await request(producer.getHttpServer() as never)
      .post('/users')
      .expect(201);

    const working = newTracing();
    const worker = await NestFactory.createApplicationContext(
      moduleOf('worker', working.provider),
      { logger: false },
    );
    store.closing(worker);
    await eventually(async () => expect(working.spans()).toHaveLength(2));
    await worker.get(TaskRunner).whenIdle();

    const [requested, ...others] = producing.spans();
    expect(others).toEqual([]);
    expect(requested?.name).toBe('POST /users');
    for (const attempt of working.spans()) {
      expect(attempt.name).toBe('process default');
      expect(attempt.spanContext().traceId).toBe(requested?.spanContext().traceId);
      expect(attempt.parentSpanContext?.spanId).toBe(requested?.spanContext().spanId);
      expect(attempt.links[0]?.context.spanId).toBe(requested?.spanContext().spanId);
    }
    expect(seen).toEqual([{ id: 'acme' }, { id: 'acme' }]);
  });
}

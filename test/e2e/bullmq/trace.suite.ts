import { AsyncLocalStorage } from 'node:async_hooks';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  context,
  propagation,
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
import { Background, TaskRunner } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { BackgroundTasksMetricsModule } from 'nestjs-background-tasks/metrics';
import { eventually } from '../../support/eventually.js';
import type { TestServer } from '../../support/servers.js';
import { rootModule } from '../support/root-module.js';
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

  it("P7: a task that another process runs has the request's trace, beside what is carried", async () => {
    const { url: connection, prefix } = store;
    const start = async (role: 'producer' | 'worker', provider: BasicTracerProvider) => {
      const tracer = provider.getTracer(role);
      const root = rootModule({
        options: {
          engine: bullmq({ connection, prefix, role }),
          carry: {
            capture: () => tenants.getStore(),
            restore: (tenant, run) => tenants.run(tenant, run),
          },
        },
        imports: [BackgroundTasksMetricsModule.forRoot({ openTelemetry: { tracer } })],
        providers: [Mailer],
      });
      return store.closing(await NestFactory.createApplicationContext(root, { logger: false }));
    };

    const [producing, working] = [newTracing(), newTracing()];
    const producer = await start('producer', producing.provider);
    // As an instrumentation of HTTP does: the request is handled inside its span.
    const span = producing.provider.getTracer('http').startSpan('POST /users');
    await context.with(trace.setSpan(context.active(), span), () =>
      tenants.run({ id: 'acme' }, () => producer.get(Mailer).welcome()),
    );
    span.end();

    const worker = await start('worker', working.provider);
    await eventually(async () => expect(working.spans()).toHaveLength(2));
    await worker.get(TaskRunner).whenIdle();
    expect(producing.spans()).toHaveLength(1);
    const { traceId, spanId } = span.spanContext();
    for (const attempt of working.spans()) {
      expect(attempt.name).toBe('process default');
      expect(attempt.spanContext().traceId).toBe(traceId);
      expect(attempt.parentSpanContext?.spanId).toBe(spanId);
      expect(attempt.links[0]?.context.spanId).toBe(spanId);
    }
    expect(seen).toEqual([{ id: 'acme' }, { id: 'acme' }]);
  });
}

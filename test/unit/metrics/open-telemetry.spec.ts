import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Post } from '@nestjs/common';
import { type Attributes, SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import {
  Background,
  BackgroundTasks,
  type CurrentTask,
  type TaskEvent,
  Tasks,
} from 'nestjs-background-tasks';
import {
  BackgroundTasksMetricsModule,
  type OpenTelemetryOptions,
} from 'nestjs-background-tasks/metrics';
import { BoundedNames } from '../../../lib/metrics/bounded-names.js';
import { OpenTelemetryMetrics } from '../../../lib/metrics/open-telemetry.js';
import { EXPRESS } from '../../e2e/support/platforms.js';
import { startApp } from '../../e2e/support/running-app.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer('test');
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({
  exporter: metricExporter,
  exportIntervalMillis: 1_000_000,
});
const meterProvider = new MeterProvider({ readers: [reader] });

let failures = 0;

@Injectable()
class Mailer {
  @Background({ queue: 'emails', retry: { attempts: 2, delay: 0 } })
  async sendWelcome(): Promise<void> {
    await Promise.resolve();
    tracer.startSpan('inside the body').end();
    if (failures-- > 0) {
      throw new TypeError('no connection');
    }
  }
}

@Controller()
class UsersController {
  constructor(private readonly mailer: Mailer) {}

  @Post('users')
  async create(@Tasks() tasks: BackgroundTasks): Promise<void> {
    await this.mailer.sendWelcome();
    tasks.addTask({ name: 'audit' }, () => undefined);
  }
}

/** Handles one request that adds tasks, and runs them. */
async function signUp(options: Partial<OpenTelemetryOptions> = {}): Promise<void> {
  const openTelemetry = { tracer, meter: meterProvider.getMeter('test'), ...options };
  const app = await startApp(EXPRESS, {
    options: { queues: { emails: {} } },
    imports: [BackgroundTasksMetricsModule.forRoot({ openTelemetry })],
    controllers: [UsersController],
    providers: [Mailer],
    // What an instrumentation of HTTP does: the request is handled inside its span.
    configure: (nest) =>
      nest.use((_: unknown, response: NodeJS.EventEmitter, next: () => void) => {
        const span = tracer.startSpan('POST /users', { kind: SpanKind.SERVER });
        response.once('close', () => span.end());
        context.with(trace.setSpan(context.active(), span), next);
      }),
  });
  expect((await app.request('/users', { method: 'POST' })).status).toBe(201);
  await app.runner.whenIdle();
}

const spansOf = (name: string): ReadableSpan[] =>
  exporter.getFinishedSpans().filter((span) => span.name === name);

describe('the OpenTelemetry spans', () => {
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  });
  beforeEach(() => {
    exporter.reset();
    failures = 0;
  });
  afterAll(async () => {
    context.disable();
    await meterProvider.shutdown();
  });

  it("are one per attempt, children of the request's span and linked to it", async () => {
    failures = 1;
    await signUp();
    const [server] = spansOf('POST /users');
    const attempts = spansOf('process emails');
    expect(attempts).toHaveLength(2);
    for (const [index, span] of attempts.entries()) {
      expect(span.kind).toBe(SpanKind.CONSUMER);
      expect(span.spanContext().traceId).toBe(server?.spanContext().traceId);
      expect(span.parentSpanContext?.spanId).toBe(server?.spanContext().spanId);
      expect(span.links.map((link) => link.context.spanId)).toEqual([server?.spanContext().spanId]);
      expect(span.attributes).toMatchObject({
        'messaging.system': 'nestjs_background_tasks',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'emails',
        'messaging.message.id': expect.any(String),
        'background_task.name': 'Mailer.sendWelcome',
        'background_task.attempt': index + 1,
      });
    }
    expect(attempts[0]?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'no connection' });
    expect(attempts[0]?.attributes['error.type']).toBe('TypeError');
    expect(attempts[0]?.events[0]?.name).toBe('exception');
    expect(attempts[1]?.status.code).toBe(SpanStatusCode.UNSET);
    const inside = spansOf('inside the body').map((span) => span.parentSpanContext?.spanId);
    expect(inside).toEqual(attempts.map((span) => span.spanContext().spanId));
    expect(spansOf('process default')[0]?.parentSpanContext?.spanId).toBe(
      server?.spanContext().spanId,
    );
  });

  it('have a trace of their own with relation link', async () => {
    await signUp({ relation: 'link' });
    const [server] = spansOf('POST /users');
    const [span] = spansOf('process emails');
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.spanContext().traceId).not.toBe(server?.spanContext().traceId);
    expect(span?.links[0]?.context.spanId).toBe(server?.spanContext().spanId);
  });

  it('come with metrics by the conventions', async () => {
    failures = 1;
    await signUp();
    await reader.forceFlush();
    const metrics = metricExporter
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics);
    const of = (name: string): unknown[] =>
      (metrics ?? [])
        .filter(({ descriptor }) => descriptor.name === name)
        .flatMap(({ dataPoints }) => dataPoints as { attributes: Attributes }[])
        .filter(({ attributes }) => attributes['messaging.destination.name'] === 'emails');
    expect(of('messaging.client.sent.messages')).toMatchObject([
      {
        attributes: {
          'background_task.name': 'Mailer.sendWelcome',
          'messaging.operation.name': 'send',
        },
        value: expect.any(Number),
      },
    ]);
    expect(of('messaging.client.consumed.messages')).toHaveLength(1);
    expect(of('messaging.process.duration')).toMatchObject([
      { attributes: { 'error.type': 'TypeError' } },
      { attributes: { 'messaging.system': 'nestjs_background_tasks' } },
    ]);
  });
});

const TASK = { id: '1', name: 'send', queue: 'mails', attempt: 1 } as CurrentTask;
const OF_EVENT = { id: '1', name: 'send', queue: 'mails', at: 0, attempt: 1, durationMs: 5 };

type Ending = Extract<TaskEvent['type'], 'completed' | 'failed' | 'cancelled' | 'abandoned'>;

/** The span of an attempt that ended as `type` says. */
function spanOf(type: Ending, error?: unknown) {
  const finished = new InMemorySpanExporter();
  const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(finished)] });
  const traces = new OpenTelemetryMetrics(new BoundedNames(10), {
    tracer: tracers.getTracer('test'),
  });
  traces.around(TASK, () => undefined);
  traces.on({ ...OF_EVENT, type, error, process: undefined });
  const [span] = finished.getFinishedSpans();
  return span;
}

describe('the span of an attempt', () => {
  it.each(HOSTILE_VALUES)('ends if %s was thrown', (_, make) => {
    expect(() => spanOf('failed', make())).not.toThrow();
    expect(spanOf('failed', make()).status.code).toBe(SpanStatusCode.ERROR);
  });

  it('has one of a bounded number of error types, however errors are named', () => {
    const types = new Set<unknown>();
    const record = (_value: number, attributes: Attributes) => types.add(attributes['error.type']);
    const instrument = { add: () => undefined, record };
    const meter = { createCounter: () => instrument, createHistogram: () => instrument };
    const traces = new OpenTelemetryMetrics(new BoundedNames(10), { meter: meter as never });
    for (let count = 0; count < 1_000; count += 1) {
      const error = Object.assign(new Error('no'), { name: `No user ${count}` });
      traces.on({ ...OF_EVENT, type: 'failed', error, process: undefined });
    }
    expect(types.size).toBeLessThan(200);
    expect(types).toContain('(other)');
  });

  it('is dropped if OpenTelemetry is not set up', () => {
    const traces = new OpenTelemetryMetrics(new BoundedNames(10), {});
    const ran: string[] = [];
    traces.around(TASK, () => ran.push('body'));
    for (const type of ['added', 'queued', 'started', 'progress', 'dropped', 'completed']) {
      traces.on({ ...OF_EVENT, type } as unknown as TaskEvent);
    }
    traces.close();
    expect(ran).toEqual(['body']);
  });
});

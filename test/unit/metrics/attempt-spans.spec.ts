import { describe, expect, it } from '@jest/globals';
import { SpanStatusCode } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { CurrentTask, TaskEvent } from 'nestjs-background-tasks';
import { BoundedNames } from '../../../lib/metrics/bounded-names.js';
import { OpenTelemetryMetrics } from '../../../lib/metrics/open-telemetry.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';

const TASK = { id: '1', name: 'send', queue: 'mails', attempt: 1 } as CurrentTask;
const OF_EVENT = { id: '1', name: 'send', queue: 'mails', at: 0, attempt: 1, durationMs: 5 };

type Ending = Extract<TaskEvent['type'], 'completed' | 'failed' | 'cancelled' | 'abandoned'>;

/** The span of an attempt that ended as `type` says. */
function spanOf(type: Ending, error?: unknown) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const traces = new OpenTelemetryMetrics(new BoundedNames(10), {
    tracer: provider.getTracer('test'),
  });
  traces.around(TASK, () => undefined);
  traces.on({ ...OF_EVENT, type, error, process: undefined });
  const [span] = exporter.getFinishedSpans();
  return span;
}

describe('the span of an attempt', () => {
  it('has no error where it completed', () => {
    const { status, attributes } = spanOf('completed');
    expect(status.code).toBe(SpanStatusCode.UNSET);
    expect(attributes).not.toHaveProperty(['error.type']);
  });

  it('has the class and the message of its error, and the error itself', () => {
    const { status, attributes, events } = spanOf('failed', new TypeError('no'));
    expect(status).toEqual({ code: SpanStatusCode.ERROR, message: 'no' });
    expect(attributes).toMatchObject({ 'error.type': 'TypeError' });
    expect(events.map(({ name }) => name)).toEqual(['exception']);
  });

  it('has the type of what was thrown and is no error', () => {
    const { status, attributes, events } = spanOf('failed', 'no');
    expect(status).toEqual({ code: SpanStatusCode.ERROR, message: undefined });
    expect(attributes).toMatchObject({ 'error.type': 'string' });
    expect(events).toEqual([]);
  });

  it.each(['cancelled', 'abandoned'] as const)('says that it was %s', (type) => {
    const { status, attributes } = spanOf(type);
    expect(status.code).toBe(SpanStatusCode.ERROR);
    expect(attributes).toMatchObject({ 'error.type': type });
  });

  it.each(HOSTILE_VALUES)('ends where %s was thrown', (_, make) => {
    expect(() => spanOf('failed', make())).not.toThrow();
    expect(spanOf('failed', make()).status.code).toBe(SpanStatusCode.ERROR);
  });

  it('goes nowhere where nobody has set up OpenTelemetry', () => {
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

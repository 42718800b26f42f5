import type { Attributes, Counter, Histogram, Meter, Span, Tracer } from '@opentelemetry/api';
import { requirePeer } from '../errors/require-peer.js';
import type { CurrentTask, TaskEvent } from '../index.js';
import { BoundedNames } from './bounded-names.js';
import type { OpenTelemetryOptions } from './metrics-options.js';

type Api = typeof import('@opentelemetry/api');

const NAME = 'nestjs-background-tasks';
const SYSTEM = 'nestjs_background_tasks';

/** A span for each attempt, and metrics, by the semantic conventions for messaging. */
export class OpenTelemetryMetrics {
  private readonly api: Api;
  private readonly tracer: Tracer;
  private readonly sent: Counter;
  private readonly consumed: Counter;
  private readonly fellBack: Counter;
  private readonly duration: Histogram;
  private readonly relation: 'child' | 'link';
  private readonly errorTypes = new BoundedNames(100);
  /** The spans of the attempts under way, by task id. */
  private readonly spans = new Map<string, Span>();

  /** @throws MissingPeerError */
  constructor(
    private readonly tasks: BoundedNames,
    options: OpenTelemetryOptions,
  ) {
    this.api = requirePeer('@opentelemetry/api', 'nestjs-background-tasks/metrics') as Api;
    this.tracer = options.tracer ?? this.api.trace.getTracer(NAME);
    this.relation = options.relation ?? 'child';
    const meter: Meter = options.meter ?? this.api.metrics.getMeter(NAME);
    this.sent = meter.createCounter('messaging.client.sent.messages', {
      unit: '{message}',
      description: 'Tasks that were added.',
    });
    this.consumed = meter.createCounter('messaging.client.consumed.messages', {
      unit: '{message}',
      description: 'Attempts that have started.',
    });
    this.fellBack = meter.createCounter('background_task.fell_back', {
      unit: '{message}',
      description: 'Tasks that their store did not take, and that are kept in memory.',
    });
    this.duration = meter.createHistogram('messaging.process.duration', {
      unit: 's',
      description: 'How long attempts ran.',
    });
  }

  /** The trace in which a task is added, as the application's propagator writes it. */
  capture(): Record<string, string> | undefined {
    const { context, propagation } = this.api;
    const carrier: Record<string, string> = {};
    propagation.inject(context.active(), carrier);
    return Object.keys(carrier).length === 0 ? undefined : carrier;
  }

  /**
   * Calls `run` in the trace that was {@link capture}d, in a process that knows it only from the
   * store.
   */
  restore<T>(carrier: unknown, run: () => T): T {
    const { context, propagation } = this.api;
    return carrier === undefined
      ? run()
      : context.with(propagation.extract(context.active(), carrier), run);
  }

  /**
   * Runs a body inside the span of its attempt. The active context is the one in which the task was
   * added, with the span of its request.
   */
  around({ id, name, queue, attempt }: CurrentTask, run: () => void): void {
    const { context, trace, SpanKind } = this.api;
    const adding = context.active();
    const request = trace.getSpanContext(adding);
    const span = this.tracer.startSpan(
      `process ${queue}`,
      {
        kind: SpanKind.CONSUMER,
        root: this.relation === 'link',
        links: request === undefined ? [] : [{ context: request }],
        attributes: {
          ...this.attributesOf(queue, name, 'process'),
          'messaging.operation.type': 'process',
          'messaging.message.id': id,
          'background_task.attempt': attempt,
        },
      },
      adding,
    );
    this.spans.set(id, span);
    context.with(trace.setSpan(adding, span), run);
  }

  on(event: TaskEvent): void {
    switch (event.type) {
      case 'added':
        return this.sent.add(1, this.attributesOf(event.queue, event.name, 'send'));
      case 'started':
        return this.consumed.add(1, this.attributesOf(event.queue, event.name, 'process'));
      case 'completed':
        return this.ended(event, undefined);
      case 'failed':
      case 'retrying':
        return this.ended(event, event.error);
      case 'cancelled':
      case 'abandoned':
        return this.end(event.id, undefined, event.type);
      case 'fell-back':
        return this.fellBack.add(1, this.attributesOf(event.queue, event.name, 'send'));
      case 'queued':
      case 'dropped':
      case 'progress':
        return;
    }
  }

  /** Ends the spans of attempts whose end will not be heard of. */
  close(): void {
    [...this.spans.keys()].forEach((id) => this.end(id, undefined, 'abandoned'));
  }

  private ended(event: Extract<TaskEvent, { durationMs: number }>, error: unknown): void {
    const { queue, name, id, durationMs, type } = event;
    const errorType = type === 'completed' ? undefined : this.errorTypes.of(typeOf(error));
    this.duration.record(durationMs / 1_000, {
      ...this.attributesOf(queue, name, 'process'),
      ...(errorType !== undefined && { 'error.type': errorType }),
    });
    this.end(id, error, errorType);
  }

  private end(id: string, error: unknown, errorType: string | undefined): void {
    const span = this.spans.get(id);
    if (span === undefined) {
      return; // the span of a batch belongs to its first call
    }
    this.spans.delete(id);
    if (errorType !== undefined) {
      span.setAttribute('error.type', errorType);
      span.setStatus({ code: this.api.SpanStatusCode.ERROR, message: messageOf(error) });
      recordException(span, error);
    }
    span.end();
  }

  private attributesOf(queue: string, task: string, operation: string): Attributes {
    return {
      'messaging.system': SYSTEM,
      'messaging.operation.name': operation,
      'messaging.destination.name': queue,
      'background_task.name': this.tasks.of(task),
    };
  }
}

/** Any value can be thrown, and reading it must not throw in turn. */
function typeOf(error: unknown): string {
  try {
    return error instanceof Error ? error.name : typeof error;
  } catch {
    return '_OTHER';
  }
}

function messageOf(error: unknown): string | undefined {
  try {
    return error instanceof Error ? error.message : undefined;
  } catch {
    return undefined;
  }
}

function recordException(span: Span, error: unknown): void {
  try {
    if (error instanceof Error) {
      span.recordException(error);
    }
  } catch {
    // The thrown value cannot be read. The status of the span still tells of the failure.
  }
}

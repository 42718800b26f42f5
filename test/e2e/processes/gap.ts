import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PerformanceObserver } from 'node:perf_hooks';
import { BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
class App {}
Module({ imports: [BackgroundTasksModule.forRoot()] })(App);
const app = await NestFactory.createApplicationContext(App, { logger: false });
const runner = app.get(TaskRunner);
const gcs: [number, number, number][] = [];
new PerformanceObserver((l) =>
  l.getEntries().forEach((e) => gcs.push([e.startTime, e.duration, (e as any).detail.kind])),
).observe({ entryTypes: ['gc'] });
for (let round = 0; round < 8; round++) {
  await runner.pause();
  for (let i = 0; i < 100_000; i++) runner.addTask(async () => {});
  await new Promise((r) => setTimeout(r, 100));
  gcs.length = 0;
  const gaps: number[] = [];
  let last = performance.now(),
    on = true;
  const cpu0 = process.cpuUsage();
  const tick = () => {
    const n = performance.now();
    gaps.push(n - last);
    last = n;
    if (on) setImmediate(tick);
  };
  setImmediate(tick);
  const t = performance.now();
  await runner.resume();
  await runner.whenIdle();
  const d = performance.now() - t;
  on = false;
  const c = process.cpuUsage(cpu0);
  await new Promise((r) => setTimeout(r, 20));
  gaps.sort((a, b) => b - a);
  console.log(
    'drain',
    d.toFixed(0),
    'cpu',
    ((c.user + c.system) / 1000).toFixed(0),
    'turns',
    gaps.length,
    'gaps max',
    gaps
      .slice(0, 8)
      .map((x) => x.toFixed(1))
      .join(' '),
    'median',
    gaps[gaps.length >> 1].toFixed(2),
    'gc',
    gcs.length,
    gcs
      .map((g) => g[1])
      .sort((a, b) => b - a)
      .slice(0, 5)
      .map((x) => x.toFixed(1))
      .join(' '),
  );
}
await app.close();

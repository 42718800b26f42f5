import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from '@jest/globals';
import { createApp } from '../support/app.js';
import { Injectable } from '@nestjs/common';
import { Background } from '../../../lib/index.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';

it('cancel in line', async () => {
  const { clock, runner, handle } = await createApp();
  const ran: string[] = [];
  const h = await handle((tasks) => ['a', 'b', 'c'].map((n) => tasks.addTask(async () => { ran.push(n); await clock.sleep(10); ran.push(n + ' end'); })));
  await clock.advance(1);
  await h[1].cancel();
  await clock.advance(100);
  expect(ran).toEqual(['a', 'a end', 'c', 'c end']);
  expect(h.map((x) => x.status)).toEqual(['completed', 'cancelled', 'completed']);
});
it('cancel last in chain', async () => {
  const { clock, runner } = await createApp();
  const chain = runner.chain();
  const h = ['a', 'b', 'c'].map((n) => chain.addTask(() => clock.sleep(10)));
  await clock.advance(1);
  await h[2].cancel();
  await clock.advance(100);
  expect(h.map((x) => x.status)).toEqual(['completed', 'completed', 'cancelled']);
});
it('cancel of collected last in chain', async () => {
  const { clock, handle } = await createApp();
  const h = await handle((tasks) => { const chain = tasks.chain();
  const h = ['a', 'b', 'c'].map((n) => chain.addTask(() => clock.sleep(10)));
  void h[2].cancel(); return h; });
  await clock.advance(100);
  expect(h.map((x) => x.status)).toEqual(['completed', 'completed', 'cancelled']);
});
it('cancel of collected middle in chain', async () => {
  const { clock, handle } = await createApp();
  const h = await handle((tasks) => { const chain = tasks.chain();
  const h = ['a', 'b', 'c'].map((n) => chain.addTask(() => clock.sleep(10)));
  void h[1].cancel(); return h; });
  await clock.advance(100);
  expect(h.map((x) => x.status)).toEqual(['completed', 'cancelled', 'dropped']);
});
it('chain goes on after release', async () => {
  const { clock, handle, runner } = await createApp();
  let chain: any;
  const ran: string[] = [];
  const h = await handle((tasks) => { chain = tasks.chain();
  return [chain.addTask(() => clock.sleep(10)), tasks.addTask(() => clock.sleep(10))]; });
  await clock.advance(1);
  h.push(chain.addTask(() => clock.sleep(10)));
  await clock.advance(100);
  expect(h.map((x) => x.status)).toEqual(['completed', 'completed', 'completed']);
});
it('dedupe in chain', async () => {
  const { clock, runner } = await createApp();
  const chain = runner.chain();
  const h = ['a', 'b', 'c'].map((n) => chain.addTask({ name: n, dedupe: { key: n } }, () => clock.sleep(10)));
  await clock.advance(100);
  expect(h.map((x) => x.status)).toEqual(['completed', 'completed', 'completed']);
});
it('retry in window', async () => {
  const { clock, runner } = await createApp();
  let n = 0;
  const h = runner.addTask({ name: 'x', dedupe: { key: 'n', window: 1000 } }, () => { if (n++ === 0) throw new Error('x'); });
  await clock.advance(100);
  const again = await runner.retry(h.id);
  await clock.advance(100);
  expect(again?.status).toEqual('completed');
});
it('context leak by cancel', async () => {
  const als = new AsyncLocalStorage<string>();
  const { clock, runner } = await createApp({}, { queues: { default: { concurrency: 1 } } });
  const a = runner.addTask(() => clock.sleep(10));
  const seen: unknown[] = [];
  runner.addTask(() => { seen.push(als.getStore()); });
  await clock.advance(1);
  als.run('request', () => void a.cancel());
  await clock.advance(1);
  expect(seen).toEqual([undefined]);
});
it('queued after dropped', async () => {
  const app = await createApp();
  const { clock, runner, handle } = app;
  const events = app.record();
  runner.addTask({ name: 'x', dedupe: { key: 'n' } }, () => clock.sleep(1000));
  await handle((tasks) => tasks.addTask({ name: 'y' }, () => 1));
  const one = handle(async (tasks) => { tasks.addTask({ name: 'z', dedupe: { key: 'n' } }, () => clock.sleep(10)); await clock.sleep(5); });
  const two = handle(async (tasks) => { tasks.addTask({ name: 'z', dedupe: { key: 'n' } }, () => clock.sleep(10)); await clock.sleep(5); });
  await clock.advance(10); await one; await two;
  await clock.advance(1000);
  expect(events.filter((e) => e.name === 'z').map((e) => e.type)).toEqual([]);
});
it('key collision', async () => {
  const { clock, runner } = await createApp();
  const a = runner.addTask({ name: 'send', dedupe: { key: 'mail 1' } }, () => 1);
  const b = runner.addTask({ name: 'send mail', dedupe: { key: '1' } }, () => 1);
  expect(a.id).not.toBe(b.id);
});
it('starving queue', async () => {
  const { clock, runner } = await createApp({}, { queues: { other: {} } });
  const order: string[] = [];
  for (let i = 0; i < 100; i++) runner.addTask(() => { clock.block(1); order.push('busy'); });
  runner.addTask({ queue: 'other' }, () => { order.push('other'); });
  await clock.advance(0);
  expect(order.indexOf('other')).toBeLessThan(60);
});
it('whenIdle after dup drop', async () => {
  const { clock, runner, handle } = await createApp();
  let go!: () => void; const p = new Promise<void>((r) => { go = r; });
  const one = handle(async (tasks) => { tasks.addTask({ name: 'z', dedupe: { key: 'n', window: 1000 } }, () => 1); await p; });
  await clock.settle();
  runner.addTask({ name: 'z', dedupe: { key: 'n', window: 1000 } }, () => 1);
  await clock.settle();
  let idle = false;
  void runner.whenIdle().then(() => { idle = true; });
  go(); await one; await clock.settle();
  expect(idle).toBe(true);
});
it('cancel in started', async () => {
  const { clock, runner } = await createApp();
  let ran = 0; let res: any;
  runner.events.subscribe((e) => { if (e.type === 'started') res = runner.cancel(e.id); });
  const h = runner.addTask(() => { ran++; });
  await clock.settle();
  expect([ran, await res, h.status]).toEqual([0, true, 'cancelled']);
});
it('pending in listener', async () => {
  const { clock, runner } = await createApp({}, { queues: { default: { concurrency: 1, maxPending: 1 } } });
  const a = runner.addTask({name: 'a'}, () => clock.sleep(1));
  await clock.settle();
  runner.addTask({name: 'b'}, () => clock.sleep(1));
  const errors: unknown[] = [];
  let list: any;
  runner.events.subscribe((e) => { if (e.type === 'completed' && e.id === a.id) { list = runner.list(); try { runner.addTask(() => 1); } catch (x) { errors.push(x); } } });
  await clock.advance(1);
  expect((await list).map((t: any) => t.name)).toEqual(['b', 'a']);
  expect(errors.length).toBe(1);
});
@Injectable() class M { runs: number[][] = []; 
  @Background({ batch: { size: 3, wait: 100 } }) async send(ids: number[]) { this.runs.push(ids); } }
it('batch in one request', async () => {
  const { clock, runner, handle, module } = await createApp({ providers: [M] });
  const m = module.get(M);
  await handle(async () => { for (let i = 0; i < 5; i++) await m.send([i]); });
  await clock.advance(1000);
  expect(m.runs).toEqual([[0, 1, 2], [3, 4]]);
});
it('evicted id', async () => {
  const { clock, runner } = await createApp({}, { remember: 1 });
  const hs = [1, 2, 3].map(() => runner.addTask(() => 1));
  await clock.settle();
  expect(await runner.get(hs[0].id)).toBeUndefined();
});
it('drop oldest batch', async () => {
  const { clock, runner, handle, module } = await createApp({ providers: [M] }, { queues: { default: { maxPending: 3, overflow: 'drop-oldest' } } });
  await runner.pause();
  const m = module.get(M);
  const hs = [1,2,3,4].map((i) => runner.addTask(m.send, [i]));
  expect(hs.map((h) => h.status)).toEqual(['dropped', 'queued', 'queued', 'queued']);
});
it('drop oldest parked', async () => {
  const { clock, runner } = await createApp({}, { queues: { default: { maxPending: 2, overflow: 'drop-oldest' } } });
  const hs: any[] = [];
  for (let i = 0; i < 4; i++) { hs.push(runner.addTask({ concurrencyKey: 'k' }, () => clock.sleep(10))); await clock.settle(); }
  expect(hs.map((h) => h.status)).toEqual(['running', 'dropped', 'queued', 'queued']);
});

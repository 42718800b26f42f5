// What a user of the package writes: no sleep, and no waiting for a minute.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { BackgroundTasksTesting } from 'nestjs-background-tasks/testing';
import request from 'supertest';
import { AppModule, audited } from './app.module.js';
import { Mailer } from './mailer.js';

let app: INestApplication;
let tasks: BackgroundTasksTesting;

beforeEach(async () => {
  tasks = new BackgroundTasksTesting('manual');
  const module = await tasks.install(Test.createTestingModule({ imports: [AppModule] })).compile();
  app = module.createNestApplication({ logger: ['error'] });
  await app.init();
});
afterEach(() => app.close());

void test('the controller adds a mail and an audit, which run after the answer', async () => {
  await request(app.getHttpServer() as never)
    .post('/signup/ada@example.com')
    .expect(201);
  await tasks.whenIdle();
  tasks.expectAdded(Mailer, 'sendWelcome', ['ada@example.com']);
  assert.deepEqual(app.get(Mailer).sent, []);
  await tasks.drain();
  assert.deepEqual(app.get(Mailer).sent, ['ada@example.com']);
});

void test('a refused sign-up is audited and gets no mail', async () => {
  await request(app.getHttpServer() as never)
    .post('/signup/nobody')
    .expect(400);
  await tasks.whenIdle();
  const { outcome } = tasks.expectAdded(Mailer, 'sendWelcome');
  assert.deepEqual(outcome, { status: 'dropped', reason: 'request-failed' });
  await tasks.drain();
  assert.deepEqual(app.get(Mailer).sent, []);
  assert.equal(audited.at(-1), 'nobody');
});

void test('the decorated method adds a task', async () => {
  await app.get(Mailer).sendWelcome('grace@example.com');
  assert.deepEqual(app.get(Mailer).sent, []);
  await tasks.runNext();
  assert.deepEqual(app.get(Mailer).sent, ['grace@example.com']);
});

void test('a mail that fails is sent again a minute later', async () => {
  const mailer = app.get(Mailer);
  mailer.isDown = true;
  await mailer.sendWelcome('eve@example.com');
  await tasks.runNext();
  mailer.isDown = false;
  await tasks.advance('59s');
  assert.deepEqual(mailer.sent, []);
  await tasks.advance('1s');
  await tasks.drain();
  assert.deepEqual(mailer.sent, ['eve@example.com']);
});

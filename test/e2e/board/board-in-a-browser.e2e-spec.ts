import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { PLATFORMS, startBoard, type BoardApp, type Platform } from './board-app.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** Where screenshots go, if anywhere. */
const { SCREENSHOTS } = process.env;

/** Shorter than the limit of a test: what fails says what it has waited for. */
const PATIENCE_MS = 60_000;

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const describeWithBrowser =
  existsSync(CHROMIUM) || process.env.CI !== undefined ? describe : describe.skip;

describeWithBrowser('the board in a real browser', () => {
  let profile: string;
  let browser: BrowserContext;
  let board: BoardApp;

  beforeAll(async () => {
    profile = await mkdtemp(join(tmpdir(), 'chromium-'));
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      headless: true,
      timeout: PATIENCE_MS,
      args: ARGS,
      viewport: { width: 1280, height: 860 },
    });
    browser.setDefaultTimeout(PATIENCE_MS);
  });
  afterEach(async () => {
    await Promise.all(browser.pages().map((page) => page.close()));
    await board.app.close();
  });
  afterAll(async () => {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  });

  it.each(Object.keys(PLATFORMS) as Platform[])(
    'shows a task fail, its stack, and completes it once retried, on %s',
    async (platform) => {
      board = await startBoard(platform);
      await fetch(`${board.url}/users`, { method: 'POST' });
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));

      await page.goto(`${board.url}/tasks/`);
      await page.getByRole('link', { name: 'emails' }).first().click();
      await shoot(page, `${platform}-1-queue`);
      const [task] = await board.runner.list({ status: 'failed' });
      await page
        .getByText(task?.id ?? '')
        .first()
        .click();
      await page.waitForURL(`**/tasks/queue/emails/${task?.id}*`);
      await shoot(page, `${platform}-2-task`);

      // Markup in arguments, errors and logs is text.
      const tab = (name: string): Promise<void> =>
        page
          .getByRole('button', { name, exact: true })
          .or(page.getByRole('tab', { name }))
          .first()
          .click();
      await tab('Data');
      await page
        .getByText(/<script>/)
        .first()
        .waitFor();
      await tab('Error');
      await page
        .getByText(/at Mailer\.sendWelcome/)
        .first()
        .waitFor();
      await page
        .getByText(/no connection for <img src=x/)
        .first()
        .waitFor();
      await shoot(page, `${platform}-3-stack`);
      await tab('Logs');
      await page.getByText('connecting <b>to</b> the mail server').waitFor();
      expect(await page.locator('img[src="x"]').count()).toBe(0);
      expect(await page.title()).not.toBe('hacked');

      board.mailer.isBroken = false;
      // The buttons of a card have no names, but tooltips.
      const retry = page.locator('main button:not([role=tab])').first();
      await retry.hover();
      await page.getByText('Retry', { exact: true }).waitFor();
      await retry.click();
      await page.getByRole('button', { name: /confirm/i }).click();
      await expectEventually(async () => (await board.runner.counts('emails')).failed === 0);
      await board.runner.whenIdle();
      await page.goto(`${board.url}/tasks/queue/emails?status=completed`);
      await page.getByText('Mailer.sendWelcome').first().waitFor();
      await shoot(page, `${platform}-4-completed`);
      expect(await board.runner.counts('emails')).toMatchObject({ failed: 0, completed: 1 });
      expect(problems).toEqual([]);
    },
  );
});

async function expectEventually(isTrue: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (!(await isTrue()) && performance.now() < until) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await isTrue()).toBe(true);
}

async function shoot(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS !== undefined) {
    await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }
}

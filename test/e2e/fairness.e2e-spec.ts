import { expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { onEachPlatform } from './support/platforms.js';
import { startApp } from './support/running-app.js';

@Controller()
class PingController {
  @Get('ping')
  ping(): string {
    return 'pong';
  }
}

// How long it takes is measured by `npm run bench:fairness`.
onEachPlatform((platform) => {
  it('P12: a request is answered although tasks that end at once follow each other without end', async () => {
    const app = await startApp(platform, { controllers: [PingController] });
    let isAnswered = false;
    const addAnother = (): void => {
      if (!isAnswered) {
        app.runner.addTask(addAnother);
      }
    };
    Array.from({ length: 100 }, addAnother);

    const { body } = await app.request('/ping');
    isAnswered = true;
    expect(body).toBe('pong');
    await app.runner.whenIdle();
  });
});

import { Body, Controller, Get, HttpCode, HttpStatus, Post, ValidationPipe } from '@nestjs/common';
import { EventLog } from './event-log.js';
import { LogEvent } from './log-event.js';

const validation = new ValidationPipe({
  whitelist: true,
  expectedType: LogEvent,
  errorHttpStatusCode: HttpStatus.UNPROCESSABLE_ENTITY,
});

@Controller('analytics')
export class AnalyticsController {
  constructor(private readonly events: EventLog) {}

  @Post('events')
  @HttpCode(202)
  async add(@Body(validation) event: LogEvent) {
    await this.events.record([event]);
    return { accepted: true };
  }

  @Get()
  async figures() {
    return { writes: this.events.writes, paths: await this.events.figures() };
  }
}

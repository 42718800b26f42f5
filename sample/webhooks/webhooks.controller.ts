import {
  Body,
  Controller,
  Get,
  HttpCode,
  HttpStatus,
  NotFoundException,
  Param,
  Post,
  UnprocessableEntityException,
  ValidationPipe,
} from '@nestjs/common';
import { IsNotEmpty, IsOptional, IsString, IsUrl } from 'class-validator';
import { TaskRunner, Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { reasonOf } from '../reason-of.js';
import { Deliveries } from './deliveries.js';
import { requirePublicAddress } from './public-address.js';
import { Subscriptions, type Subscription } from './subscriptions.js';
import { WebhookOptions } from './webhook-options.js';

class Registration {
  @IsUrl({ protocols: ['http', 'https'], require_protocol: true, require_tld: false })
  readonly url!: string;
}

class NewEvent {
  @IsString()
  @IsNotEmpty()
  readonly type!: string;

  @IsOptional()
  readonly data?: unknown;
}

const validation = new ValidationPipe({
  whitelist: true,
  errorHttpStatusCode: HttpStatus.UNPROCESSABLE_ENTITY,
});

@Controller('webhooks')
export class WebhooksController {
  constructor(
    private readonly subscriptions: Subscriptions,
    private readonly deliveries: Deliveries,
    private readonly runner: TaskRunner,
    private readonly options: WebhookOptions,
  ) {}

  /** The secret is shown only this once. */
  @Post()
  async register(@Body(validation) { url }: Registration): Promise<Subscription> {
    if (!this.options.allowPrivate) {
      try {
        await requirePublicAddress(new URL(url));
      } catch {
        // The address behind the name, or that there is none, is not for outsiders.
        throw new UnprocessableEntityException('The URL has to lead to a public address.');
      }
    }
    return this.subscriptions.add(url);
  }

  /** One task per subscription: a receiver that does not answer delays no other. */
  @Post('events')
  @HttpCode(202)
  publish(@Body(validation) { type, data }: NewEvent, @Tasks() tasks: BackgroundTasks) {
    const added = this.subscriptions.all.map(({ id }) =>
      tasks.addTask(this.deliveries.deliver, id, { type, data }),
    );
    return { deliveries: added.map(({ id }) => `/webhooks/deliveries/${id}`) };
  }

  @Get('deliveries/:id')
  async delivery(@Param('id') id: string) {
    const task = await this.runner.get(id);
    if (task?.name !== 'webhooks.deliver') {
      throw new NotFoundException(`There is no delivery ${id}, or it is forgotten.`);
    }
    const { status, attempts, progress, outcome } = task;
    return { id, status, attempts, last: progress, reason: reasonOf(outcome) };
  }
}

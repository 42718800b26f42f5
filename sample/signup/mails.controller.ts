import { Controller, Get } from '@nestjs/common';
import { MailServer, type Mail } from './mail-server.js';

@Controller('mails')
export class MailsController {
  constructor(private readonly server: MailServer) {}

  @Get()
  received(): readonly Mail[] {
    return this.server.received;
  }
}

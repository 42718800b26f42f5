import { Module } from '@nestjs/common';
import { MailController } from './mail.controller.js';
import { PostOffice } from './post-office.js';
import { Smarthost } from './smarthost.js';

/** Newsletters and password resets in one queue, with a mail server of their own. */
@Module({ controllers: [MailController], providers: [PostOffice, Smarthost] })
export class MailModule {}

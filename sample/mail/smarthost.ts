import { Injectable } from '@nestjs/common';
import { MailServer } from '../signup/mail-server.js';

/** A mail server for this scenario only, so that its mails are apart from those of others. */
@Injectable()
export class Smarthost extends MailServer {}

import { Injectable } from '@nestjs/common';
import { MailServer } from '../signup/mail-server.js';

/** A mail server of this scenario's own, so that its mails are apart from those of another. */
@Injectable()
export class Smarthost extends MailServer {}

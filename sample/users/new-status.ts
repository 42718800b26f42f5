import { IsIn } from 'class-validator';
import { STATUSES, type UserStatus } from './user.entity.js';

/** The body of `PATCH /users/:id/status`. */
export class NewStatus {
  @IsIn(STATUSES)
  readonly status!: UserStatus;
}

import { randomUUID } from 'node:crypto';
import { ConflictException, Injectable } from '@nestjs/common';

export interface User {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** The users who have signed up. A real application has a database here. */
@Injectable()
export class Users {
  private readonly byId = new Map<string, User>();
  private readonly emails = new Set<string>();

  /** @throws ConflictException if the address has already signed up */
  register(email: string, name: string): User {
    const address = email.toLowerCase();
    if (this.emails.has(address)) {
      throw new ConflictException(`${email} has signed up already.`);
    }
    const user: User = { id: randomUUID(), email, name };
    this.emails.add(address);
    this.byId.set(user.id, user);
    return user;
  }

  find(id: string): User | undefined {
    return this.byId.get(id);
  }
}

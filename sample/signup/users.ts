import { randomUUID } from 'node:crypto';
import { ConflictException, Injectable } from '@nestjs/common';

export interface User {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** Who has signed up. A database in an application that means it. */
@Injectable()
export class Users {
  private readonly byId = new Map<string, User>();
  private readonly emails = new Set<string>();

  /** @throws ConflictException where the address has signed up before */
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

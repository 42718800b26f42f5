import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

export const STATUSES = ['active', 'suspended', 'closed'] as const;

export type UserStatus = (typeof STATUSES)[number];

@Entity()
export class User {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  name!: string;

  @Column('text')
  status!: UserStatus;
}

/** One row per change. */
@Entity()
export class StatusChange {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('integer')
  userId!: number;

  @Column('text')
  from!: UserStatus;

  @Column('text')
  to!: UserStatus;

  @Column('text')
  at!: string;
}

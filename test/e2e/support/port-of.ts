import type { AddressInfo, Server } from 'node:net';
import type { INestApplication } from '@nestjs/common';

/** The port that an application listens on. */
export function portOf(app: INestApplication): number {
  return ((app.getHttpServer() as Server).address() as AddressInfo).port;
}

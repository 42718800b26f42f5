import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** Networks that nobody outside can reach, and that nobody outside may make this server reach. */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 128],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv6');
}

/** `url` leads to an address that is not for everybody; which one, not everybody needs to know. */
export class PrivateAddressError extends Error {
  constructor(url: URL) {
    super(`${url.host} is not a public address.`);
  }
}

/**
 * Looks the host up, and again with every delivery, because names change. Between this and the
 * connection a name can still change; what must be certain belongs into the firewall.
 *
 * @throws PrivateAddressError
 */
export async function requirePublicAddress(url: URL): Promise<void> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) > 0 ? [{ address: host }] : await lookup(host, { all: true });
  for (const { address } of addresses) {
    if (isPrivate(address)) {
      throw new PrivateAddressError(url);
    }
  }
}

/** An IPv4 address in IPv6 clothes is what it is underneath: the list sees through it. */
function isPrivate(address: string): boolean {
  return PRIVATE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** Private networks, which a stranger must not make this server call. */
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

/** `url` leads to a private address. The message does not tell which one. */
export class PrivateAddressError extends Error {
  constructor(url: URL) {
    super(`${url.host} is not a public address.`);
  }
}

/**
 * Looks up the host, again for each delivery, because names change. A name can still change between
 * this check and the connection; only a firewall is certain.
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

/** An IPv4 address mapped into IPv6 is checked as IPv4. */
function isPrivate(address: string): boolean {
  return PRIVATE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

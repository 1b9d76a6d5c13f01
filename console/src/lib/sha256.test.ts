import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';

import { Sha256 } from './sha256';

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);

test.each([0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 65_537])('%i bytes have the digest that they have elsewhere', (length) => {
  const all = bytes(length);
  expect(new Sha256().update(all).hex()).toBe(createHash('sha256').update(all).digest('hex'));
});

test('pieces of any size come to the same', () => {
  const all = bytes(5000);
  const digest = new Sha256();
  for (let at = 0, size = 1; at < all.length; at += size, size = (size * 7) % 211 + 1) digest.update(all.subarray(at, at + size));
  expect(digest.hex()).toBe(createHash('sha256').update(all).digest('hex'));
});

import { expect, test } from 'vitest';

import { decimal, less, micros, part, sum } from './decimal';

test('a decimal text becomes millionths and itself again', () => {
  for (const text of ['0', '12.5', '-0.000001', '9999999999999.999999', '-3']) expect(decimal(micros(text))).toBe(text);
  expect(decimal(micros('1.500000'))).toBe('1.5');
  expect(micros('-0.25')).toBe(-250_000n);
  expect([micros(null), micros(''), micros('1e3'), micros('abc')]).toEqual([0n, 0n, 0n, 0n]);
});

test('sums are exact where binary fractions are not', () => {
  expect(sum(['0.1', '0.2', undefined])).toBe('0.3');
  expect(sum(Array.from({ length: 1000 }, () => '0.000001'))).toBe('0.001');
  expect(less('10', '0.1', '0.2')).toBe('9.7');
  expect(less('1', '2.5')).toBe('-1.5');
});

test('a share stays between nothing and all', () => {
  expect(part('1', '4')).toBe(0.25);
  expect(part('5', '4')).toBe(1);
  expect([part('-1', '4'), part('1', '0'), part('1', '-2')]).toEqual([0, 0, 0]);
});

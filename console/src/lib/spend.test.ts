import { expect, test } from 'vitest';

import type { BillLine } from '../api/types';
import { roundUp, spendOf, spendOfDays, stretches, top, totals } from './spend';

const line = (project: string, charge: string, currency = 'CNY'): BillLine =>
  ({ project, user: 'lin', pool: 'main', charge, currency, core_hours: '1.5', card_hours: '0' }) as BillLine;

test('stretches touch each other, the last is under way', () => {
  const now = new Date(2026, 2, 1, 15, 30).getTime();
  for (const span of ['days', 'weeks', 'months'] as const) {
    const all = stretches(span, now);
    expect(all.at(-1)?.to).toBeUndefined();
    all.slice(1).forEach((one, i) => expect(all[i]?.to).toBe(one.from));
    expect(new Date(all.at(-1)?.from ?? 0).getTime()).toBeLessThanOrEqual(now);
  }
  const months = stretches('months', now).map((one) => new Date(one.from).getMonth());
  expect(months).toEqual([9, 10, 11, 0, 1, 2]);
  // 1 March 2026 is a Sunday: its week began on 23 February.
  expect(new Date(stretches('weeks', now).at(-1)?.from ?? 0).getDate()).toBe(23);
});

test('lines are summed exactly by name and stretch, other currencies left out', () => {
  const spent = spendOf([{ lines: [line('a', '0.1'), line('b', '5'), line('a', '0.2')] }, undefined, { lines: [line('a', '1'), line('a', '9', 'USD')] }], 'project', 'CNY');
  expect(spent.map((one) => [one.name, one.charge])).toEqual([
    ['b', 5_000_000n],
    ['a', 1_300_000n],
  ]);
  expect(spent[1]?.each).toEqual([300_000n, 0n, 1_000_000n]);
  expect(totals(spent, 3)).toEqual([5_300_000n, 0n, 1_000_000n]);
});

test('what is beyond the first few becomes one', () => {
  const spent = spendOf([{ lines: ['a', 'b', 'c', 'd'].map((name, i) => line(name, String(10 - i))) }], 'project', 'CNY');
  expect(top(spent, 4).map((one) => one.name)).toEqual(['a', 'b', 'c', 'd']);
  const few = top(spent, 3);
  expect(few.map((one) => [one.name, one.charge])).toEqual([['a', 10_000_000n], ['b', 9_000_000n], ['', 15_000_000n]]);
  expect(totals(few, 1)).toEqual(totals(spent, 1));
});

test('the end of an axis is round and not below', () => {
  expect([0n, 1n, 3n, 5n, 6n, 99n, 101n, 2001n].map(roundUp)).toEqual([0n, 1n, 5n, 5n, 10n, 100n, 200n, 5000n]);
});

test('sums of days fall into the stretches of the calendar, the dearest first', () => {
  const at = (day: string) => new Date(`${day}T00:00:00`).toISOString();
  const weeks = [{ from: at('2026-11-09'), to: at('2026-11-16') }, { from: at('2026-11-16'), to: undefined }];
  const row = (day: string, key: string, charge: string) => ({ day, key, charge, core_hours: 0.5, card_hours: 0 });
  const spent = spendOfDays([row('2026-11-08', 'ai', '9'), row('2026-11-15', 'ai', '1.5'), row('2026-11-16', 'ai', '2'), row('2026-11-20', 'general', '4')], weeks);
  expect(spent.map(({ name, charge, each, cores }) => [name, charge, each, cores])).toEqual([
    ['general', 4_000_000n, [0n, 4_000_000n], 500_000n],
    ['ai', 3_500_000n, [1_500_000n, 2_000_000n], 1_000_000n],
  ]);
});

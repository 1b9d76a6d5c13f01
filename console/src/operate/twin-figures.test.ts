// What differs between two plays of the twin, and which way is better.
import { describe, expect, test } from 'vitest';

import { difference, type Figures, figuresCsv, hasChanges, middlesOf, PAST, unitOf, verdict } from './twin-figures';
import type { Schemas } from './queries';

const figures = (patch: Partial<Figures>): Figures => ({
  name: 'all', jobs: 10, unstarted: 0, failed: 1, mean_wait_seconds: 60, median_wait_seconds: 5, p95_wait_seconds: 300, max_wait_seconds: 900,
  mean_bounded_slowdown: 2.5, core_hours: 12, revenue: '10.00', contract_fees: '0.00', fees: '1.00', own_cost: '2.00', idle_cost: '3.00', data_cost: '0.00',
  margin: '4.00', promises_kept: 0, promises_broken: 0, ...patch,
});
const figure = (key: string) => PAST.find((one) => one.key === key)!;

describe('two plays', () => {
  const here = figures({});
  const there = figures({ mean_wait_seconds: 30, margin: '3.989999', fees: '1.000001', jobs: 12, utilization: 0.5 });
  test('differ by numbers, and by money to the last millionth', () => {
    expect(difference(figure('meanWait'), here, there)).toBe(-30);
    expect(difference(figure('margin'), here, there)).toBe('-0.010001');
    expect(difference(figure('utilization'), here, there)).toBeUndefined();
  });
  test('are better or worse where one direction is', () => {
    expect(verdict(figure('meanWait'), here, there)).toBe('better');
    expect(verdict(figure('margin'), here, there)).toBe('worse');
    expect(verdict(figure('jobs'), here, there)).toBe('other');
    expect(verdict(figure('fees'), here, there)).toBe('same');
    expect(verdict(figure('utilization'), here, there)).toBeUndefined();
  });
});

test('a spreadsheet has a line for each group and figure, and an empty cell for what one play lacks', () => {
  const play = (pools: Figures[]) => ({ all: figures({}), pools, modes: [], clusters: [], tenants: [], classes: [] }) as unknown as Schemas['TwinPlay'];
  const text = figuresCsv([{ name: 'as it is', play: play([]) }, { name: 'changed', play: play([figures({ name: 'new', jobs: 3 })]) }]);
  const lines = text.trim().split('\r\n');
  expect(lines[0]).toBe('group,name,figure,as it is,changed');
  expect(lines).toContain('all,all,margin,4.00,4.00');
  expect(lines).toContain('pools,new,jobs,,3');
  expect(lines).toHaveLength(1 + 2 * PAST.length);
});

test('parts stand at their middles, in a unit that suits the whole', () => {
  expect(middlesOf(2, 3600, 3600)).toEqual([0.5, 1.5]);
  expect([0, 2, 179, 180, 10_799, 10_800, 259_200].map((seconds) => unitOf(seconds).name)).toEqual(['seconds', 'seconds', 'seconds', 'minutes', 'minutes', 'hours', 'days']);
});

test('what is asked has changes when something is different', () => {
  expect(hasChanges({ kind: 'past' })).toBe(false);
  expect(hasChanges({ kind: 'past', changes: {} })).toBe(false);
  expect(hasChanges({ kind: 'past', changes: { policy: '' } })).toBe(true);
  expect(hasChanges({ kind: 'past', changes: { lose: [{ pool: 'a' }] } })).toBe(true);
});

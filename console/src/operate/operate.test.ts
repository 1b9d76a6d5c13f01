// The operator's arithmetic: money, periods, places, land, policy texts.
import { describe, expect, test } from 'vitest';

import { dots, isLand } from './land';
import { byCurrency, decimal, largest, micros, share, sum } from './money';
import { asQuery, periodOf } from './period';
import { placeOf, viewOf, WORLD } from './places';
import { diff, hunks, linksOf } from './policy-text';

describe('money', () => {
  test('sums texts without a float', () => {
    expect(sum(['0.1', '0.2', '9007199254740993.000001'])).toBe('9007199254740993.300001');
    expect(sum([])).toBe('0.00');
    expect(decimal(micros('-0.000001'))).toBe('-0.000001');
    expect(decimal(micros('12.5'))).toBe('12.50');
    expect(() => micros('1e3')).toThrow(RangeError);
  });
  test('shares and the largest are by size', () => {
    expect(share('1', '4')).toBe(0.25);
    expect(share('1', '0.00')).toBe(0);
    expect(share('-3', '4')).toBe(0);
    expect(largest(['1', '-7.5', '3'])).toBe('7.50');
  });
  test('currencies stay apart', () => {
    const rows = [{ currency: 'CNY', v: '1' }, { currency: 'EUR', v: '2' }, { currency: 'CNY', v: '0.5' }];
    expect(byCurrency(rows, (row) => row.v)).toEqual([['CNY', '1.50'], ['EUR', '2.00']]);
  });
});

describe('periods', () => {
  const now = Date.parse('2026-01-15T23:30:00Z');
  test('are days of UTC by themselves', () => {
    expect(periodOf({ period: 'last' }, now)).toEqual({ name: 'last', from: '2025-12-01', to: '2025-12-31', offset: '+00:00' });
    expect(periodOf({ period: 'quarter' }, now).from).toBe('2025-11-01');
    expect(periodOf({}, now)).toEqual({ name: 'month', from: '2026-01-01', to: '2026-01-15', offset: '+00:00' });
    expect(asQuery(periodOf({ period: 'today' }, now))).toEqual({ from: '2026-01-15T00:00:00.000Z', to: '2026-01-16T00:00:00.000Z' });
  });
  test('begin where the platform says', () => {
    const east = periodOf({ period: 'today' }, now, '+08:00');
    expect(east).toEqual({ name: 'today', from: '2026-01-16', to: '2026-01-16', offset: '+08:00' });
    expect(asQuery(east)).toEqual({ from: '2026-01-15T16:00:00.000Z', to: '2026-01-16T16:00:00.000Z' });
    expect(periodOf({ period: 'today' }, Date.parse('2026-01-15T01:00:00Z'), '-05:30').from).toBe('2026-01-14');
  });
  test('of the reader count when they make sense', () => {
    expect(periodOf({ period: 'own', from: '2025-02-01', to: '2025-02-03' }, now)).toMatchObject({ name: 'own', from: '2025-02-01', to: '2025-02-03' });
    expect(periodOf({ period: 'own', from: '2025-02-09', to: '2025-02-03' }, now).from).toBe('2026-01-01');
    expect(periodOf({ period: 'own', from: '2025-13-41', to: 'x' }, now).from).toBe('2026-01-01');
  });
});

describe('the map', () => {
  test('has land where land is', () => {
    const land: [number, number][] = [[116.4, 39.9], [106.7, 26.6], [8.7, 50.1], [-95, 40], [-55, -10], [20, 5], [134, -25], [-174, 66], [121, 23.5], [109.8, 19]];
    for (const [east, north] of land) expect(isLand(east, north), `${east} ${north}`).toBe(true);
    const sea: [number, number][] = [[-30, 30], [-150, 0], [80, -30], [35, 43.2], [51.5, 40], [18, 35], [128, 20]];
    for (const [east, north] of sea) expect(isLand(east, north), `${east} ${north}`).toBe(false);
  });
  test('draws a few thousand dots', () => {
    const count = dots(WORLD, 2.5).length;
    expect(count).toBeGreaterThan(1500);
    expect(count).toBeLessThan(6000);
  });
  test('knows places by parts of names', () => {
    expect(placeOf('hpc-guiyang-2')).toEqual([106.7, 26.6]);
    expect(placeOf('3d1219c7', 'qingdao')).toEqual([120.4, 36.1]);
    expect(placeOf('贵阳二号')).toEqual([106.7, 26.6]);
    expect(placeOf('cn-east-1')).toEqual([119.5, 31.5]);
    expect(placeOf('hall', undefined)).toBeUndefined();
  });
  test('looks at where the sites are', () => {
    expect(viewOf([])).toEqual(WORLD);
    expect(viewOf([[-120, 40], [140, 36]])).toEqual(WORLD);
    const view = viewOf([[120, 31], [106, 26]]);
    expect(view.east - view.west).toBe(70);
    expect(view.west < 106 && view.east > 120 && view.south < 26 && view.north > 31).toBe(true);
  });
});

describe('a policy document', () => {
  const document = 'reserve_permille = 100\n\n[links]\nfiles = "sh"\n\n[links.between]\n\n[links.between.sh."site 2"]\nlatency = "30ms"\nbandwidth_mbit_s = 200.0\n[reserve]\nurgent = true\n';
  test('tells links and the reserve', () => {
    expect(linksOf(document)).toEqual([{ a: 'sh', b: 'site 2', latency: '30ms', bandwidth: 200 }]);
    const printed = '[links.between.sh.bj]\nlatency = "0s"\nbandwidth_mbit_s = 10000.0\ngib_price = "0.02"\n[links.between.sh.gz]\nlatency = "20ms"\ngib_price = "0.00"';
    expect(linksOf(printed)).toEqual([{ a: 'sh', b: 'bj', bandwidth: 10_000, price: '0.02' }, { a: 'sh', b: 'gz', latency: '20ms' }]);
    expect(linksOf('[reserve]\nurgent = true')).toEqual([]);
  });
  test('is compared by lines', () => {
    expect(diff('a\nb\nc', 'a\nx\nc\nd')).toEqual([
      { kind: 'same', text: 'a' }, { kind: 'old', text: 'b' }, { kind: 'new', text: 'x' }, { kind: 'same', text: 'c' }, { kind: 'new', text: 'd' },
    ]);
    expect(diff(document, document).every(({ kind }) => kind === 'same')).toBe(true);
    const changed = hunks(diff('1\n2\n3\n4\n5\n6\n7', '1\n2\n3\n4\n5\n6\n8'), 1);
    expect(changed.map((line) => line.kind)).toEqual(['gap', 'same', 'old', 'new']);
  });
});

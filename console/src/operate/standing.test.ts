// What the overview tells from what the API says: use, queue, alarms, places on the map, columns of a statement.
import { describe, expect, test } from 'vitest';

import type { JobSummary, Pool } from '../api/types';
import { dayEnd, dayStart } from './found';
import type { Schemas } from './queries';
import { alarms, load, queueByClass, reserveOf, uses } from './standing';

const amounts = (cpu_millis: number, gpus: number) => ({ cpu_millis, gpus, memory_bytes: 0, tres: '' });
const pool = (more: Partial<Pool>): Pool =>
  ({ id: 'p', name: 'a', cluster: 'c', cluster_name: 'here', cluster_service: 'in_service', mode: 'own', total: amounts(64_000, 8), free: amounts(16_000, 2), nodes: [], nodes_total: 1, nodes_up: 1, ...more }) as Pool;
const cluster = (more: Partial<Schemas['Cluster']>) => ({ id: 'c', name: 'here', site: '', health: 'reachable', service: 'in_service', ...more }) as Schemas['Cluster'];
const ages = { up_to_30: '5.00', up_to_60: '0.00', up_to_90: '0.00', over_90: '0.00' };

describe('use', () => {
  test('is of cards where there are any and of cores, by mode, without what is retired', () => {
    const pools = [pool({}), pool({ cluster_service: 'retired', total: amounts(0, 800) }), pool({ mode: 'partner', total: amounts(4000, 0), free: null })];
    expect(uses(pools)).toEqual([
      { mode: 'own', unit: 'cards', total: 8, allocated: 6, up: 1 },
      { mode: 'own', unit: 'cores', total: 64, allocated: 48, up: 1 },
      { mode: 'partner', unit: 'cores', total: 4, allocated: 0, up: 1 },
    ]);
    expect(load(pool({}))).toBe(0.75);
    expect(load(pool({ free: null }))).toBe(0);
  });
});

test('the reserve is what the server keeps of own pools, pool by pool', () => {
  const shape = amounts(64_000, 8);
  const total = amounts(256_000, 32);
  const own = (reserved_nodes: number | null, free = 8) => pool({ shape, total, free: amounts(0, free), reserved_nodes });
  expect(reserveOf([own(1), own(3), pool({ mode: 'partner', shape, total })])).toEqual({ free: 0.25, target: 0.5 });
  // Nothing is kept, or nobody tells: there is no level to compare with.
  expect(reserveOf([own(0)])).toBeUndefined();
  expect(reserveOf([own(null)])).toBeUndefined();
});

test('the queue is counted by class with who waits longest', () => {
  const job = (name: string, submitted_at: string) => ({ class: name, submitted_at }) as JobSummary;
  const lines = queueByClass([job('low', '2026-01-02'), job('low', '2026-01-01'), job('urgent', '2026-01-03')]);
  expect(lines.map((line) => [line.class, line.count, line.oldest])).toEqual([['urgent', 1, '2026-01-03'], ['high', 0, undefined], ['normal', 0, undefined], ['low', 2, '2026-01-01']]);
});

describe('alarms', () => {
  test('are for what serves, not for what is tested, invited or gone', () => {
    const lost = { health: 'unreachable' } as const;
    const clusters = [cluster({ ...lost }), cluster({ ...lost, name: 'trial', service: 'testing' }), cluster({ ...lost, name: 'old', service: 'retired' }), cluster({ ...lost, name: 'new' })];
    const sites = [{ name: 'new', cluster: 'clu_1', state: 'invited' }] as Schemas['Site'][];
    expect(alarms({ clusters, sites }).map((alarm) => `${alarm.kind} ${alarm.name}`)).toEqual(['unreachable here']);
  });
  test('tell nodes, findings, money', () => {
    const finding = { level: 'fail', what: 'clock', found: 'two hours ahead' } as const;
    const told = alarms({
      clusters: [cluster({})],
      pools: [pool({ nodes: [{ name: 'n', state: 'down' }] })],
      reports: [{ cluster: 'here', report: { findings: [finding] } as unknown as Schemas['ClusterReport'] }],
      receivables: [{ name: 'lab', currency: 'CNY', ages } as Schemas['Receivable'], { name: 'late', currency: 'CNY', ages: { ...ages, over_90: '7.5' } } as Schemas['Receivable']],
      settlements: [{ state: 'open', open: 3, supplier_name: 'portco', number: 1 } as Schemas['Settlement']],
    });
    expect(told.map((alarm) => alarm.kind)).toEqual(['nodesDown', 'findings', 'overdue', 'disputed']);
    expect(told[2]).toMatchObject({ name: 'late', amount: '7.50' });
  });
});

test('a day goes from its first moment to that of the next', () => {
  expect(new Date(dayEnd('2026-02-28')).getTime() - new Date(dayStart('2026-02-28')).getTime()).toBe(24 * 3600_000);
  expect(new Date(dayEnd('2026-12-31')).getFullYear()).toBe(2027);
});

// The registration form makes the settings that the server reads.
import { expect, test } from 'vitest';

import type { JobSummary, Pool } from '../api/types';
import { nodeLoad } from './standing';
import { slurmOf } from './way';

test('each kind of way has its own settings, and empty fields are left out', () => {
  expect(slurmOf({ kind: 'ssh', host: 'login', user: '', key: '/k', work: '/w', partitions: 'a, b c' })).toEqual({
    work_root: '/w', way: { kind: 'ssh', ssh: { host: 'login', key: '/k' }, tools: {} }, partitions: ['a', 'b', 'c'],
  });
  expect(slurmOf({ kind: 'command', conf: '/c', work: '/w' })).toEqual({ work_root: '/w', way: { kind: 'command', tools: { slurm_conf: '/c' } } });
  expect(slurmOf({ kind: 'rest', endpoint: 'unix:/s', through: 'gate', work: '/w' })).toEqual({
    work_root: '/w', way: { kind: 'rest', rest: { endpoint: 'unix:/s', through: { host: 'gate' } } },
  });
});

test('a node is filled by what jobs on it were given, cards before cores', () => {
  const shape = (gpus: number) => ({ shape: { cpu_millis: 8000, memory_bytes: 1, gpus, tres: '' } }) satisfies Pick<Pool, 'shape'>;
  const job = (nodes: string[], cpu_millis: number, gpus: number) => ({ nodes, requested: { cpu_millis, gpus } }) as unknown as JobSummary;
  const jobs = [job(['a', 'b'], 8000, 4), job(['a'], 2000, 0)];
  expect(nodeLoad(shape(0), 'a', jobs)).toBe(0.75);
  expect(nodeLoad(shape(4), 'a', jobs)).toBe(0.5);
  expect(nodeLoad(shape(0), 'c', jobs)).toBe(0);
});

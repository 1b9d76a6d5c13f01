// What states allow, where a search leads, how long a job waited and ran; the pieces of a script line.
import { expect, test } from 'vitest';

import type { JobState } from '../api/types';
import { nextSort, actionsOf, handedIn, isOpen, label, phases, searchTarget, TONES } from './jobs';
import { pieces, SAMPLE } from './script';

const STATES = Object.keys(TONES) as JobState[];

test('what has ended is not cancelled, what waits can be', () => {
  expect(STATES.filter((state) => actionsOf(state).includes('cancel'))).toEqual(['PENDING', 'HELD', 'RUNNING']);
  expect(STATES.filter((state) => !isOpen(state)).flatMap(actionsOf)).toEqual([]);
  expect(actionsOf('HELD')).toContain('release');
});

test.each([
  ['', undefined],
  ['  ', undefined],
  ['1042', { job: '1042' }],
  ['#1042', { job: '1042' }],
  ['1000_7', { job: '1000_7' }],
  [`job_${'0'.repeat(32)}`, { job: `job_${'0'.repeat(32)}` }],
  ['melt', { name: 'melt' }],
  ['1042a', { name: '1042a' }],
])('a search for %j', (text, target) => {
  expect(searchTarget(text)).toEqual(target);
});

test('an element of an array is named by the array', () => {
  expect(label({ number: 1007 })).toBe('1007');
  expect(label({ number: 1007, array: { root_number: 1000, index: 7 } })).toBe('1000_7');
});

test('time waited and run', () => {
  const at = (s: number) => new Date(1_800_000_000_000 + s * 1000).toISOString();
  const now = 1_800_000_000_000 + 100_000;
  expect(phases({ submitted_at: at(0) }, now)).toEqual({ waitSeconds: 100, runSeconds: undefined });
  expect(phases({ submitted_at: at(0), started_at: at(40) }, now)).toEqual({ waitSeconds: 40, runSeconds: 60 });
  expect(phases({ submitted_at: at(0), started_at: at(40), ended_at: at(50) }, now)).toEqual({ waitSeconds: 40, runSeconds: 10 });
  // Cancelled before it started; and a clock here that is behind the server's.
  expect(phases({ submitted_at: at(0), ended_at: at(5) }, now)).toEqual({ waitSeconds: 5, runSeconds: undefined });
  expect(phases({ submitted_at: at(0), started_at: at(200) }, now).runSeconds).toBe(0);
});

test('the pieces of a line are the line', () => {
  const lines = [...SAMPLE.split('\n'), '#SBATCH -n 4 --mem=8G   # enough', '  #SBATCH no', '#SBATCHX', '#HW --line=ai', 'echo "# no comment"', ''];
  for (const line of lines) expect(pieces(line).map((p) => p.text).join('')).toBe(line);
  expect(pieces('#SBATCH --ntasks=4 # four').map((p) => p.kind)).toEqual(['directive', 'text', 'option', 'value', 'text', 'comment']);
  expect(pieces('#SBATCHX')[0]?.kind).toBe('comment');
});

test('what was handed in is counted once, however many elements of an array are chosen', () => {
  const job = (id: string, root?: number) => ({ id, array: root === undefined ? undefined : { root: `job_${root}`, root_number: root, index: 0 } });
  const chosen = [job('a'), job('b', 7), job('c', 7), job('d', 8), job('e')];
  expect(handedIn(chosen).map(({ id }) => id)).toEqual(['a', 'b', 'd', 'e']);
});

test('a heading sorts downwards, upwards, and not at all', () => {
  const down = nextSort({}, 'price');
  expect(down).toEqual({ sort: 'price', order: undefined });
  const up = nextSort(down, 'price');
  expect(up).toEqual({ sort: 'price', order: 'asc' });
  expect(nextSort(up, 'price')).toEqual({ sort: undefined, order: undefined });
  expect(nextSort(up, 'name')).toEqual({ sort: 'name', order: undefined });
});

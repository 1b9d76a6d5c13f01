// What is told of a run of the twin: which figures, which direction of each is better, and what differs between two plays. Knows no page.
import { csv } from '../lib/csv';
import { decimal, micros } from './money';
import type { Schemas } from './queries';

export type Figures = Schemas['TwinFigures'];
export type Foretold = Schemas['TwinForetold'];
export type Kind = 'count' | 'span' | 'ratio' | 'share' | 'hours' | 'money';
export type Verdict = 'better' | 'worse' | 'same' | 'other';

export interface Figure<T> {
  key: string;
  kind: Kind;
  /** Which direction is better; nothing where neither is. */
  better?: 'less' | 'more';
  /** Money is decimal text, everything else a number. */
  of: (all: T) => number | string | null | undefined;
}

export const PAST: readonly Figure<Figures>[] = [
  { key: 'jobs', kind: 'count', of: (f) => f.jobs },
  { key: 'unstarted', kind: 'count', better: 'less', of: (f) => f.unstarted },
  { key: 'failed', kind: 'count', better: 'less', of: (f) => f.failed },
  { key: 'meanWait', kind: 'span', better: 'less', of: (f) => f.mean_wait_seconds },
  { key: 'medianWait', kind: 'span', better: 'less', of: (f) => f.median_wait_seconds },
  { key: 'p95Wait', kind: 'span', better: 'less', of: (f) => f.p95_wait_seconds },
  { key: 'maxWait', kind: 'span', better: 'less', of: (f) => f.max_wait_seconds },
  { key: 'slowdown', kind: 'ratio', better: 'less', of: (f) => f.mean_bounded_slowdown },
  { key: 'capacity', kind: 'hours', of: (f) => f.capacity_core_hours },
  { key: 'coreHours', kind: 'hours', of: (f) => f.core_hours },
  { key: 'used', kind: 'hours', of: (f) => f.used_core_hours },
  { key: 'utilization', kind: 'share', better: 'more', of: (f) => f.utilization },
  { key: 'usedShare', kind: 'share', better: 'more', of: (f) => usedShare(f) },
  { key: 'promisesKept', kind: 'count', better: 'more', of: (f) => f.promises_kept },
  { key: 'promisesBroken', kind: 'count', better: 'less', of: (f) => f.promises_broken },
  { key: 'revenue', kind: 'money', better: 'more', of: (f) => f.revenue },
  { key: 'contractFees', kind: 'money', better: 'more', of: (f) => f.contract_fees },
  { key: 'fees', kind: 'money', better: 'less', of: (f) => f.fees },
  { key: 'ownCost', kind: 'money', of: (f) => f.own_cost },
  { key: 'idleCost', kind: 'money', better: 'less', of: (f) => f.idle_cost },
  { key: 'margin', kind: 'money', better: 'more', of: (f) => f.margin },
];

export const AHEAD: readonly Figure<Foretold>[] = [
  { key: 'started', kind: 'count', better: 'more', of: (f) => f.started },
  { key: 'meanWait', kind: 'span', better: 'less', of: (f) => f.mean_wait_seconds },
  { key: 'medianWait', kind: 'span', better: 'less', of: (f) => f.median_wait_seconds },
  { key: 'maxWait', kind: 'span', better: 'less', of: (f) => f.max_wait_seconds },
  { key: 'brokenOff', kind: 'count', better: 'less', of: (f) => f.broken_off },
];

/** How much more it is there than here; money as text. */
export function difference<T>(figure: Figure<T>, here: T, there: T): number | string | undefined {
  const [a, b] = [figure.of(here), figure.of(there)];
  if (a == null || b == null) return undefined;
  if (figure.kind === 'money') return decimal(micros(String(b)) - micros(String(a)));
  return Number(b) - Number(a);
}

/** Below this no two figures differ: what the page does not show is neither better nor worse. Money in millionths. */
const NOTHING: Record<Kind, number> = { count: 0.5, span: 0.05, ratio: 0.005, share: 0.0005, hours: 0.00005, money: 5_000 };

export function verdict<T>(figure: Figure<T>, here: T, there: T): Verdict | undefined {
  const more = difference(figure, here, there);
  if (more === undefined) return undefined;
  const size = figure.kind === 'money' ? Number(micros(String(more))) : Number(more);
  if (Math.abs(size) < NOTHING[figure.kind]) return 'same';
  if (!figure.better) return 'other';
  return size > 0 === (figure.better === 'more') ? 'better' : 'worse';
}

/** All figures of one or two plays, a line for each group and figure, for a spreadsheet. */
export function figuresCsv(plays: readonly { name: string; play: Schemas['TwinPlay'] }[]): string {
  const head = ['group', 'name', 'figure', ...plays.map(({ name }) => name)];
  const groups = ['all', 'pools', 'modes', 'clusters', 'tenants', 'classes'] as const;
  const of = (play: Schemas['TwinPlay'], group: (typeof groups)[number]): readonly Figures[] => (group === 'all' ? [play.all] : play[group]);
  const rows = groups.flatMap((group) => {
    const names = [...new Set(plays.flatMap(({ play }) => of(play, group).map(({ name }) => name)))];
    return names.flatMap((name) =>
      PAST.map((figure) => [group, name, figure.key, ...plays.map(({ play }) => { const found = of(play, group).find((one) => one.name === name); return found && figure.of(found); })]),
    );
  });
  return csv([head, ...rows]);
}

export const isOver = (state: Schemas['TwinState']): boolean => state !== 'queued' && state !== 'running';

const UNITS = [{ name: 'seconds', seconds: 1 }, { name: 'minutes', seconds: 60 }, { name: 'hours', seconds: 3600 }, { name: 'days', seconds: 86_400 }] as const;

/** The unit in which so long a time is read best: three of it at least. */
export const unitOf = (seconds: number): (typeof UNITS)[number] => UNITS.findLast((unit) => seconds >= 3 * unit.seconds) ?? UNITS[0];

/** Middles of so many equal parts, in a unit. */
export const middlesOf = (parts: number, partSeconds: number, unitSeconds: number): number[] => Array.from({ length: parts }, (_, n) => ((n + 0.5) * partSeconds) / unitSeconds);

/** What processes used of what there is. */
export const usedShare = (f: Figures): number | undefined => (f.used_core_hours != null && f.capacity_core_hours ? f.used_core_hours / f.capacity_core_hours : undefined);

export const hasChanges = ({ changes }: Schemas['TwinRunAsk']): boolean =>
  !!changes && (changes.policy != null || !!changes.add?.length || !!changes.lose?.length || !!changes.outages?.length);

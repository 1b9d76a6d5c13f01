// What was spent, by whom and when: stretches of time to ask bills for, and the sums of their lines. Pure.
import type { Bill, BillLine, SpendRow } from '../api/types';
import { decimal, micros } from './decimal';

export const SPEND_BY = ['project', 'user', 'line', 'pool'] as const;
export type SpendBy = (typeof SPEND_BY)[number];
/** What the lines of a bill tell; product lines are told by the sums of days. */
export type BillBy = Exclude<SpendBy, 'line'>;
export const SPEND_SPANS = ['days', 'weeks', 'months'] as const;
export type SpendSpan = (typeof SPEND_SPANS)[number];

/** Bars of a chart; each is one bill, so there are not many. */
const BARS: Record<SpendSpan, number> = { days: 10, weeks: 8, months: 6 };

export interface Stretch {
  from: string;
  /** Excluded; left out of the stretch that is under way. */
  to: string | undefined;
}

/** The last days, weeks (from Monday) or months of the reader's calendar, the oldest first. */
export function stretches(span: SpendSpan, now: number): Stretch[] {
  const today = new Date(now);
  const [year, month, day] = [today.getFullYear(), today.getMonth(), today.getDate()];
  const monday = day - ((today.getDay() + 6) % 7);
  const begin = (back: number): Date =>
    span === 'months' ? new Date(year, month - back, 1) : span === 'weeks' ? new Date(year, month, monday - 7 * back) : new Date(year, month, day - back);
  return Array.from({ length: BARS[span] }, (_, i) => {
    const back = BARS[span] - 1 - i;
    return { from: begin(back).toISOString(), to: back === 0 ? undefined : begin(back - 1).toISOString() };
  });
}

export interface Spent {
  name: string;
  charge: bigint;
  /** Hours of cores and of cards, in millionths. */
  cores: bigint;
  cards: bigint;
  /** Charge of each stretch, in their order. */
  each: bigint[];
}

/** Sums of the bills' lines in one currency by what `by` names, the dearest first and names in order among equals. */
export function spendOf(bills: readonly (Pick<Bill, 'lines'> | undefined)[], by: BillBy, currency: string): Spent[] {
  const found = new Map<string, Spent>();
  bills.forEach((bill, at) => {
    for (const line of bill?.lines ?? []) {
      if (line.currency === currency) add(found, line, line[by], at, bills.length);
    }
  });
  return dearest(found);
}

/** The same of sums by day: each belongs to the stretch in which the noon of its date lies. */
export function spendOfDays(rows: readonly Pick<SpendRow, 'day' | 'key' | 'charge' | 'core_hours' | 'card_hours'>[], stretches: readonly Stretch[]): Spent[] {
  const found = new Map<string, Spent>();
  const bounds = stretches.map(({ from, to }) => [Date.parse(from), to ? Date.parse(to) : Number.POSITIVE_INFINITY] as const);
  for (const { day, key, charge, core_hours, card_hours } of rows) {
    const noon = new Date(`${day}T12:00:00`).getTime();
    const at = bounds.findIndex(([from, to]) => from <= noon && noon < to);
    const line = { charge, core_hours: core_hours.toFixed(6), card_hours: card_hours.toFixed(6) };
    if (at >= 0) add(found, line, key, at, stretches.length);
  }
  return dearest(found);
}

const dearest = (found: Map<string, Spent>): Spent[] =>
  [...found.values()].sort((a, b) => (a.charge === b.charge ? (a.name < b.name ? -1 : 1) : a.charge > b.charge ? -1 : 1));

function add(found: Map<string, Spent>, line: Pick<BillLine, 'charge' | 'core_hours' | 'card_hours'>, name: string, at: number, length: number): void {
  let spent = found.get(name);
  if (!spent) found.set(name, (spent = { name, charge: 0n, cores: 0n, cards: 0n, each: Array.from({ length }, () => 0n) }));
  const charge = micros(line.charge);
  spent.charge += charge;
  spent.cores += micros(line.core_hours);
  spent.cards += micros(line.card_hours);
  spent.each[at] = (spent.each[at] ?? 0n) + charge;
}

/** The first few, and all others as one under the empty name. */
export function top(spent: readonly Spent[], most: number): Spent[] {
  if (spent.length <= most) return [...spent];
  const rest = spent.slice(most - 1);
  const others: Spent = { name: '', charge: 0n, cores: 0n, cards: 0n, each: (spent[0] as Spent).each.map(() => 0n) };
  for (const one of rest) {
    others.charge += one.charge;
    others.cores += one.cores;
    others.cards += one.cards;
    one.each.forEach((value, at) => (others.each[at] = (others.each[at] ?? 0n) + value));
  }
  return [...spent.slice(0, most - 1), others];
}

/** A round number at or above the value for the end of an axis: 1, 2 or 5 times a power of ten. */
export function roundUp(value: bigint): bigint {
  if (value <= 0n) return 0n;
  let power = 1n;
  while (power * 10n <= value) power *= 10n;
  return [1n, 2n, 5n, 10n].map((n) => n * power).find((n) => n >= value) as bigint;
}

/** Charges of all in each stretch. */
export const totals = (spent: readonly Spent[], length: number): bigint[] =>
  Array.from({ length }, (_, at) => spent.reduce((total, one) => total + (one.each[at] ?? 0n), 0n));

export const hours = (millionths: bigint): number => Number(decimal(millionths));

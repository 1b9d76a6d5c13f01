// Periods of reports in the platform's days, from words of the address. Pure: "now" and where days begin come in.

export const PERIODS = ['today', 'month', 'last', 'quarter', 'year', 'own'] as const;
export type PeriodName = (typeof PERIODS)[number];
export interface Period {
  name: PeriodName;
  /** First and last day, both included, as `2026-11-01`. */
  from: string;
  to: string;
  /** Where days begin, as a distance from UTC: `+08:00`. */
  offset: string;
}

const day = (at: Date): string => at.toISOString().slice(0, 10);
const utc = (year: number, month: number, date: number): string => day(new Date(Date.UTC(year, month, date)));
/** Minutes of a distance from UTC; none when it is no such thing. */
export const minutes = (offset: string): number => {
  const found = /^([-+])(\d\d):(\d\d)$/.exec(offset);
  return found ? (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) : 0;
};
const isDay = (text: string | undefined): text is string => /^\d{4}-\d\d-\d\d$/.test(text ?? '') && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));

/** The named period around now; days of the reader's own with `own`, this month when they make no sense. */
export function periodOf(search: { period?: string | undefined; from?: string | undefined; to?: string | undefined }, now: number, offset = '+00:00'): Period {
  const at = new Date(now + minutes(offset) * 60_000);
  const [year, month, today] = [at.getUTCFullYear(), at.getUTCMonth(), day(at)];
  const name = PERIODS.find((known) => known === search.period) ?? 'month';
  if (name === 'own' && isDay(search.from) && isDay(search.to) && search.from <= search.to) return { name, from: search.from, to: search.to, offset };
  const named: Record<PeriodName, [string, string]> = {
    today: [today, today],
    month: [utc(year, month, 1), today],
    last: [utc(year, month - 1, 1), utc(year, month, 0)],
    quarter: [utc(year, month - 2, 1), today],
    year: [utc(year, 0, 1), today],
    own: [utc(year, month, 1), today],
  };
  const [from, to] = named[name];
  return { name, from, to, offset };
}

/** As the API's reports take it: from the beginning of the first day; the end is the midnight that ends the last one. */
export const asQuery = ({ from, to, offset }: Period): { from: string; to: string } => {
  const midnight = (day: string, later: number) => new Date(Date.parse(`${day}T00:00:00Z`) - minutes(offset) * 60_000 + later).toISOString();
  return { from: midnight(from, 0), to: midnight(to, 86_400_000) };
};

/** The midnight with which a day begins at a distance from UTC (`+08:00`; none: UTC); empty without a day. */
export const dayAt = (day: string | undefined, offset: string | undefined): string => (day ? `${day}T00:00:00${offset || 'Z'}` : '');

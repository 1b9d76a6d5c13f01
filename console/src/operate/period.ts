// Periods of reports: days of UTC, as the server counts them, from words of the address. Pure: "now" comes in.

export const PERIODS = ['today', 'month', 'last', 'quarter', 'year', 'own'] as const;
export type PeriodName = (typeof PERIODS)[number];
export interface Period {
  name: PeriodName;
  /** First and last day, both included, as `2026-11-01`. */
  from: string;
  to: string;
}

const day = (at: Date): string => at.toISOString().slice(0, 10);
const utc = (year: number, month: number, date: number): string => day(new Date(Date.UTC(year, month, date)));
const isDay = (text: string | undefined): text is string => /^\d{4}-\d\d-\d\d$/.test(text ?? '') && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));

/** The named period around now; days of the reader's own with `own`, this month when they make no sense. */
export function periodOf(search: { period?: string | undefined; from?: string | undefined; to?: string | undefined }, now: number): Period {
  const at = new Date(now);
  const [year, month, today] = [at.getUTCFullYear(), at.getUTCMonth(), day(at)];
  const name = PERIODS.find((known) => known === search.period) ?? 'month';
  if (name === 'own' && isDay(search.from) && isDay(search.to) && search.from <= search.to) return { name, from: search.from, to: search.to };
  const named: Record<PeriodName, [string, string]> = {
    today: [today, today],
    month: [utc(year, month, 1), today],
    last: [utc(year, month - 1, 1), utc(year, month, 0)],
    quarter: [utc(year, month - 2, 1), today],
    year: [utc(year, 0, 1), today],
    own: [utc(year, month, 1), today],
  };
  const [from, to] = named[name];
  return { name, from, to };
}

/** As the API's reports take it: from the beginning of the first day; the end is the midnight that ends the last one. */
export const asQuery = ({ from, to }: Period): { from: string; to: string } => ({
  from: `${from}T00:00:00Z`,
  to: new Date(Date.parse(`${to}T00:00:00Z`) + 86_400_000).toISOString(),
});

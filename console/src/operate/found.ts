// How the audit log is narrowed: kinds of actions, and days of the reader's calendar as moments.

/** What actions begin with, the most asked for first. */
export const KINDS = ['job', 'node', 'cluster', 'pool', 'policy', 'prices', 'rate', 'supplier', 'tenant', 'project', 'user', 'token', 'wallet', 'contract', 'grant', 'budget', 'statement', 'settlement'] as const;

const at = (day: string, days: number): string => {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date + days).toISOString();
};

export const dayStart = (day: string): string => at(day, 0);

/** The first moment that is not of the day. */
export const dayEnd = (day: string): string => at(day, 1);

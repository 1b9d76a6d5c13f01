// Sums of the API's decimal texts, in whole millionths; floats only where a bar is drawn. Knows no currency.

const MICRO = 1_000_000n;

/** Millionths of a decimal text; throws on what is no number. */
export function micros(text: string): bigint {
  const found = /^([-+]?)(\d+)(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (!found) throw new RangeError(`no amount: ${text}`);
  const whole = BigInt(found[2] as string) * MICRO + BigInt((found[3] ?? '').padEnd(6, '0'));
  return found[1] === '-' ? -whole : whole;
}

/** Decimal text of millionths, with no zeros behind the second place. */
export function decimal(value: bigint): string {
  const size = value < 0n ? -value : value;
  const fraction = (size % MICRO).toString().padStart(6, '0').replace(/0{1,4}$/, '');
  return `${value < 0n ? '-' : ''}${size / MICRO}.${fraction}`;
}

export const sum = (texts: readonly string[]): string => decimal(texts.reduce((total, text) => total + micros(text), 0n));
export const isNegative = (text: string): boolean => micros(text) < 0n;
export const isZero = (text: string): boolean => micros(text) === 0n;

/** Share of one amount in another for drawing: 0 to 1; nothing of nothing is 0. */
export function share(part: string, of: string): number {
  const [a, b] = [Number(micros(part)), Number(micros(of))];
  return b === 0 ? 0 : Math.min(1, Math.max(0, a / b));
}

/** The largest by size, as text: what bars of one column are measured by. */
export const largest = (texts: readonly string[]): string =>
  decimal(texts.map(micros).reduce((most, value) => { const size = value < 0n ? -value : value; return size > most ? size : most; }, 0n));

/** Sums by currency, in the order of their first appearance. */
export function byCurrency<T extends { currency: string }>(rows: readonly T[], of: (row: T) => string): [string, string][] {
  const sums = new Map<string, bigint>();
  for (const row of rows) sums.set(row.currency, (sums.get(row.currency) ?? 0n) + micros(of(row)));
  return [...sums].map(([currency, value]) => [currency, decimal(value)]);
}

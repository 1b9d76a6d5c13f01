// Sums of the API's decimal texts, exact to six places. Knows no currency and prints nothing for people.

/** Places the API gives at most. */
const PLACES = 6;
const ONE = 10n ** BigInt(PLACES);

/** Millionths of a decimal text such as `-12.50`; what is no such text counts as nothing. */
export function micros(text: string | null | undefined): bigint {
  const found = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(text ?? '');
  if (!found) return 0n;
  const size = BigInt(found[2] as string) * ONE + BigInt((found[3] ?? '').padEnd(PLACES, '0'));
  return found[1] ? -size : size;
}

/** The text again, without zeros at its end. */
export function decimal(value: bigint): string {
  const size = value < 0n ? -value : value;
  const rest = (size % ONE).toString().padStart(PLACES, '0').replace(/0+$/, '');
  return `${value < 0n ? '-' : ''}${size / ONE}${rest && `.${rest}`}`;
}

export const sum = (texts: Iterable<string | null | undefined>): string => {
  let total = 0n;
  for (const text of texts) total += micros(text);
  return decimal(total);
};

export const less = (from: string, ...texts: (string | null | undefined)[]): string => decimal(texts.reduce((left, text) => left - micros(text), micros(from)));

/** A share for the length of a bar, between 0 and 1, exact to a thousandth; it is never money again. */
export function part(of: string | bigint, whole: string | bigint): number {
  const total = typeof whole === 'bigint' ? whole : micros(whole);
  const value = typeof of === 'bigint' ? of : micros(of);
  if (total <= 0n || value <= 0n) return 0;
  return value >= total ? 1 : Number((value * 1000n) / total) / 1000;
}

// Numbers, money, amounts and times as the reader writes them. Pure: locale, zone and "now" come in as arguments.

export type Language = 'en' | 'zh';

/** The browser's own variety of the language (en-GB, zh-TW …), or the usual one. */
export function localeOf(language: Language, preferred: readonly string[]): string {
  const own = preferred.find((tag) => tag.toLowerCase().split('-')[0] === language);
  return own ?? (language === 'zh' ? 'zh-CN' : 'en-US');
}

export interface SpanWords {
  day: string;
  hour: string;
  minute: string;
  second: string;
}

const WORDS: Record<Language, SpanWords> = {
  en: { day: 'd', hour: 'h', minute: 'min', second: 's' },
  zh: { day: '天', hour: '小时', minute: '分', second: '秒' },
};

const KIB = 1024;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Digits of a decimal text before its point, without leading zeros. */
const wholeDigits = (text: string): number => /^-?0*(\d*)/.exec(text)?.[1]?.length ?? 0;

export function makeFormat(language: Language, locale: string, zone?: string) {
  const number = (value: number, digits = 1): string =>
    new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);

  const times = { timeZone: zone } as const;
  const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', ...times });
  const short = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...times });
  const full = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23', ...times });
  const day = new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit', ...times });
  const space = language === 'zh' ? '' : ' ';

  /** Two largest parts: `2 d 3 h`, `1 min 5 s`; below ten seconds with a tenth. */
  const span = (seconds: number): string => {
    const words = WORDS[language];
    const sign = seconds < 0 ? '−' : '';
    const value = Math.abs(seconds);
    if (value < 10) return `${sign}${number(value)}${space}${words.second}`;
    const whole = Math.round(value);
    const parts: [number, string][] = [
      [Math.floor(whole / 86_400), words.day],
      [Math.floor(whole / 3600) % 24, words.hour],
      [Math.floor(whole / 60) % 60, words.minute],
      [whole % 60, words.second],
    ];
    const first = parts.findIndex(([n]) => n > 0);
    const shown = parts.slice(first, first + 2).filter(([n]) => n > 0);
    return sign + shown.map(([n, word]) => `${number(n)}${space}${word}`).join(' ');
  };

  /** Bytes with three significant digits: `1.5 GiB`. */
  const bytes = (value: number): string => {
    const power = value < KIB ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
    const scaled = value / KIB ** power;
    return `${number(scaled, scaled >= 100 || power === 0 ? 0 : 1)} ${UNITS[power]}`;
  };

  /** Decimal text of the API as money; the text is never turned into a binary fraction. At least two places, at most four; all six where
   *  four would show nothing of it. */
  const money = (text: string, currency: string): string =>
    new Intl.NumberFormat(locale, {
      style: 'currency',
      currency,
      currencyDisplay: 'narrowSymbol',
      minimumFractionDigits: 2,
      maximumFractionDigits: /^-?0\.0000\d*[1-9]/.test(text) ? 6 : 4,
    } as Intl.NumberFormatOptions).format(text as unknown as number);

  /** Money to two places for a headline, cut and not rounded: never more than there is. */
  const moneyShort = (text: string, currency: string): string =>
    new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol', roundingMode: 'floor' } as Intl.NumberFormatOptions).format(
      text as unknown as number,
    );

  /** Money in a column of a report: from a thousand on two places are enough. */
  const moneyColumn = (text: string, currency: string): string => {
    const large = wholeDigits(text) > 3;
    return large ? new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' } as Intl.NumberFormatOptions).format(text as unknown as number) : money(text, currency);
  };

  /** Money to be read from afar: two places below ten thousand, four digits of what is more (`¥377.8K`, `37.78万`). */
  const moneyHead = (text: string, currency: string): string => {
    const large = wholeDigits(text) > 4;
    const digits = large ? { notation: 'compact', minimumSignificantDigits: 4, maximumSignificantDigits: 4 } : {};
    return new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol', ...digits } as Intl.NumberFormatOptions).format(text as unknown as number);
  };

  /** Money for the axis of a chart: `¥1.2K`, `1.2万`. */
  const moneyCompact = (text: string, currency: string): string =>
    new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol', notation: 'compact', maximumSignificantDigits: 3 } as Intl.NumberFormatOptions).format(
      text as unknown as number,
    );

  const date = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', ...times });
  const dayShort = new Intl.DateTimeFormat(locale, { month: 'numeric', day: 'numeric', ...times });
  const monthName = new Intl.DateTimeFormat(locale, { month: 'short', ...times });

  /** Today as clock time, other days with the date. */
  const time = (iso: string, now: number): string => {
    const at = new Date(iso);
    return day.format(at) === day.format(now) ? clock.format(at) : short.format(at);
  };

  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: language === 'zh' ? 'long' : 'short' });
  /** `5 min ago`, `in 2 hr.`: the largest whole unit. */
  const ago = (iso: string, now: number): string => {
    const seconds = (new Date(iso).getTime() - now) / 1000;
    const size = Math.abs(seconds);
    if (size < 60) return relative.format(Math.trunc(seconds), 'second');
    if (size < 3600) return relative.format(Math.trunc(seconds / 60), 'minute');
    if (size < 86_400) return relative.format(Math.trunc(seconds / 3600), 'hour');
    return relative.format(Math.trunc(seconds / 86_400), 'day');
  };

  return {
    number,
    span,
    bytes,
    money,
    moneyShort,
    moneyColumn,
    moneyHead,
    moneyCompact,
    day: (iso: string) => date.format(new Date(iso)),
    /** The last day of a time that ends without this moment. */
    dayBefore: (iso: string) => date.format(new Date(new Date(iso).getTime() - 1)),
    dayShort: (iso: string) => dayShort.format(new Date(iso)),
    monthName: (iso: string) => monthName.format(new Date(iso)),
    time,
    ago,
    fullTime: (iso: string) => full.format(new Date(iso)),
    cores: (millis: number) => number(millis / 1000, 2),
  };
}

export type Format = ReturnType<typeof makeFormat>;

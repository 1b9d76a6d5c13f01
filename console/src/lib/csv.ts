// Text of comma-separated values, both ways. Knows RFC 4180 and what spreadsheets do with formulas.

const QUOTED = /[",\r\n]/;
/** A cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay numbers. */
const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^-?\d+(\.\d+)?$/;

export function cell(value: string | number | null | undefined): string {
  let text = String(value ?? '');
  if (FORMULA.test(text) && !NUMBER.test(text)) text = `'${text}`;
  return QUOTED.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = (rows: readonly (readonly (string | number | null | undefined)[])[]): string => rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');

/** Rows of a text, cut at commas, semicolons or tabs, whichever its first line has most of; at most `most` rows. */
export function rowsOf(text: string, most: number): string[][] {
  const first = text.slice(0, text.search(/\r|\n|$/));
  const count = (mark: string) => first.split(mark).length;
  const mark = [',', ';', '\t'].reduce((best, next) => (count(next) > count(best) ? next : best));
  const rows: string[][] = [];
  let row: string[] = [];
  let value = '';
  let quoted = false;
  for (let i = 0; i < text.length && rows.length < most; i++) {
    const c = text[i] as string;
    if (quoted) {
      if (c !== '"') value += c;
      else if (text[i + 1] === '"') {
        value += '"';
        i += 1;
      } else quoted = false;
    } else if (c === '"' && value === '') quoted = true;
    else if (c === mark) {
      row.push(value);
      value = '';
    } else if (c === '\n' || c === '\r') {
      if (c === '\r' && text[i + 1] === '\n') i += 1;
      row.push(value);
      if (row.length > 1 || row[0] !== '') rows.push(row);
      [row, value] = [[], ''];
    } else value += c;
  }
  if (rows.length < most && (value !== '' || row.length > 0)) rows.push([...row, value]);
  return rows;
}

export interface Curves {
  /** Name and values of the horizontal axis; counted from 1 where the first column does not rise. */
  x: { name: string; values: number[] };
  curves: { name: string; values: (number | undefined)[] }[];
}

const numberOf = (text: string | undefined): number | undefined => {
  const value = text === undefined || text.trim() === '' ? NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
};

/** Columns of numbers as curves, at most `most` of them; nothing when there is no such column or too few rows. */
export function curvesOf(rows: readonly string[][], most: number): Curves | undefined {
  const named = (rows[0] ?? []).some((text) => numberOf(text) === undefined);
  const names = named ? (rows[0] as string[]) : (rows[0] ?? []).map((_, i) => String(i + 1));
  const body = named ? rows.slice(1) : rows;
  if (body.length < 2) return undefined;
  const columns = names.map((name, i) => ({ name: name.trim(), values: body.map((row) => numberOf(row[i])) }));
  const numeric = columns.filter(({ values }) => values.filter((v) => v !== undefined).length >= body.length / 2);
  const first = numeric[0];
  if (!first) return undefined;
  const rises = first === columns[0] && numeric.length > 1 && first.values.every((v, i) => v !== undefined && (i === 0 || v > (first.values[i - 1] ?? -Infinity)));
  const x = rises ? { name: first.name, values: first.values as number[] } : { name: '', values: body.map((_, i) => i + 1) };
  return { x, curves: numeric.slice(rises ? 1 : 0).slice(0, most) };
}

/** Round values between two others for the marks of an axis, about `wanted` of them. */
export function marks(low: number, high: number, wanted: number): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((n) => n * power >= raw) ?? 10) * power;
  const out: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}

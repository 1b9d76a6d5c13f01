// A supplier's file before it is sent: its text, the mark between its columns, and what they are called. The server reads it.

export interface StatementText {
  text: string;
  /** As what the bytes were read. */
  encoding: 'UTF-8' | 'UTF-16' | 'GB 18030';
}

/** Spreadsheets of China save CSV in GBK, which is part of GB 18030; whatever is UTF-8 is taken as that. */
export function decoded(bytes: ArrayBuffer): StatementText {
  const [first, second] = new Uint8Array(bytes);
  if (first === 0xff && second === 0xfe) return { text: new TextDecoder('utf-16le').decode(bytes), encoding: 'UTF-16' };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), encoding: 'UTF-8' };
  } catch {
    return { text: new TextDecoder('gb18030').decode(bytes), encoding: 'GB 18030' };
  }
}

/** The line with the headings, or the first of the statement where it has none. */
const firstLine = (csv: string, skip: number) => csv.replace(/^\uFEFF/, '').split(/\r?\n/, skip + 1)[skip] ?? '';

/** The mark that the first line has most of. */
export function separator(csv: string, skip = 0): string {
  const line = firstLine(csv, skip);
  const counts = [',', ';', '\t', '|'].map((mark) => [mark, line.split(mark).length] as const);
  return counts.reduce((most, one) => (one[1] > most[1] ? one : most))[0];
}

export interface Heading {
  /** What a mapping says: the heading, or `#3` for the third column of a file without headings. */
  value: string;
  label: string;
}

/** Columns of the file; quotes around headings are taken off. Those of a file without headings show what its first line has. */
export function headings(csv: string, skip = 0, named = true): Heading[] {
  const line = firstLine(csv, skip);
  if (line.trim() === '') return [];
  const cells = split(line, separator(csv, skip)).map((cell) => cell.trim());
  if (named) return cells.filter(Boolean).map((value) => ({ value, label: value }));
  return cells.map((cell, at) => ({ value: `#${at + 1}`, label: `#${at + 1} ${cell}`.trim() }));
}

function split(line: string, mark: string): string[] {
  const out: string[] = [''];
  let quoted = false;
  for (const char of line) {
    if (char === '"') quoted = !quoted;
    else if (char === mark && !quoted) out.push('');
    else out[out.length - 1] += char;
  }
  return out;
}

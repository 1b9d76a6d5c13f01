// Which column of a supplier's CSV is what, from the fields of the form. Reads headings only; the server reads the file.
import type { Values } from './form';
import type { Schemas } from './queries';

/** Headings of the first line, by the separator that it has most of; quotes around them are taken off. */
export function headings(csv: string): string[] {
  const line = firstLine(csv);
  if (line.trim() === '') return [];
  return split(line, separator(csv)).map((name) => name.trim()).filter(Boolean);
}

const firstLine = (csv: string) => csv.replace(/^\uFEFF/, '').split(/\r?\n/, 1)[0] ?? '';

/** The mark that the first line has most of. */
export function separator(csv: string): string {
  const line = firstLine(csv);
  const counts = [',', ';', '\t', '|'].map((mark) => [mark, line.split(mark).length] as const);
  return counts.reduce((most, one) => (one[1] > most[1] ? one : most))[0];
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

export function mappingOf(values: Values): Omit<Schemas['StatementMapping'], 'supplier' | 'statement' | 'from' | 'to' | 'currency' | 'delimiter'> {
  const names = ['attempt', 'job', 'user', 'amount', 'start', 'end'] as const;
  const columns = Object.fromEntries(names.filter((name) => values[name]).map((name) => [name, values[name]]));
  const quantity = values.quantity ? { quantity: { [values.quantityUnit ?? 'card_hours']: values.quantity } } : {};
  return {
    columns: { ...columns, ...quantity } as unknown as Schemas['StatementColumns'],
    tolerance: { amount: values.tolerance || '0', per_mille: Number(values.perMille || 0) } as Schemas['StatementTolerance'],
    ...(values.offset ? { times: { offset: values.offset } as Schemas['StatementTimes'] } : {}),
  };
}

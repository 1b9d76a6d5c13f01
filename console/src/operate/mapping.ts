// A supplier's mapping from the fields of the form: which column is what, what is no line, how numbers and times are written.
import type { Values } from './form';
import type { Schemas } from './queries';

type Mapping = Schemas['StatementMapping'];
/** All but what each statement says anew, and what the file says itself. */
export type MappingPart = Omit<Mapping, 'supplier' | 'statement' | 'from' | 'to' | 'currency' | 'delimiter'>;

export const COLUMNS = ['attempt', 'job', 'cluster', 'user', 'start', 'end', 'amount', 'price', 'kind'] as const;
export const UNITS = ['card_hours', 'core_hours', 'node_hours', 'card_minutes', 'core_minutes', 'node_minutes', 'card_seconds', 'core_seconds', 'node_seconds'] as const;
/** A form takes blanks off, so the blank has a name. */
export const BLANK = 'blank';

/** Only what the form says: the server's defaults count for the rest. */
export function mappingOf(values: Values): MappingPart {
  const columns = Object.fromEntries(COLUMNS.filter((name) => values[name]).map((name) => [name, values[name]]));
  const quantity = values.quantity ? { quantity: { [values.quantityUnit ?? UNITS[0]]: values.quantity } } : {};
  const users = pairs(values.users);
  return {
    columns: { ...columns, ...quantity } as Schemas['StatementColumns'],
    tolerance: { amount: values.tolerance || '0', per_mille: Number(values.perMille || 0) } as Schemas['StatementTolerance'],
    ...counts(values),
    ...(values.skipColumn ? { skip: [{ column: values.skipColumn, text: values.skipText ?? '' }] } : {}),
    ...(values.headless ? { headings: false } : {}),
    ...(values.allMinimum ? { kind: 'minimum' as const } : {}),
    ...(values.minimumWord ? { kinds: { [values.minimumWord]: 'minimum' as const } } : {}),
    ...numbersOf(values),
    ...timesOf(values),
    ...(values.negative ? { negative: true } : {}),
    ...(users ? { users } : {}),
  };
}

const counts = ({ skipFirst, skipLast }: Values) => ({ ...(Number(skipFirst) ? { skip_first: Number(skipFirst) } : {}), ...(Number(skipLast) ? { skip_last: Number(skipLast) } : {}) });

function numbersOf({ decimal, thousands, strip }: Values): Pick<Mapping, 'numbers'> {
  if (!thousands && !strip && (decimal ?? '.') === '.') return {};
  return { numbers: { decimal: decimal || '.', thousands: thousands === BLANK ? ' ' : (thousands ?? ''), strip: strip?.split(/\s+/).filter(Boolean) ?? [] } };
}

function timesOf({ timeFormat, offset }: Values): Pick<Mapping, 'times'> {
  const times = { ...(timeFormat ? { format: timeFormat } : {}), ...(offset ? { offset } : {}) };
  return Object.keys(times).length > 0 ? { times: times as Schemas['StatementTimes'] } : {};
}

/** `theirs = ours`, one a line. */
function pairs(text: string | undefined): Record<string, string> | undefined {
  const lines = (text ?? '').split('\n').map((line) => line.split('=', 2).map((part) => part.trim()));
  const known = lines.filter(([theirs, ours]) => theirs && ours) as [string, string][];
  return known.length > 0 ? Object.fromEntries(known) : undefined;
}

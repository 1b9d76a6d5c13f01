// A table on a desk, cards on a phone, from one description of columns. Knows nothing of what the rows are.
import type { ReactNode } from 'react';

import { usePhone, useWider } from './hooks';

export interface Column<T> {
  key: string;
  title: string;
  /** What stands in the head of a table instead of the title. */
  head?: ReactNode;
  /** How the rows go by this column. */
  sorted?: 'ascending' | 'descending' | undefined;
  cell: (row: T) => ReactNode;
  align?: 'right';
  /** Where it stands on a card: in its head, at the head's end, or (as it is) in its body with its title. */
  card?: 'head' | 'head-end' | 'bare' | 'hide';
  className?: string;
  /** Columns the cell of this row takes; those it covers are left out. */
  span?: (row: T) => number;
}

interface Props<T> {
  columns: readonly (Column<T> | false)[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  rowClass?: (row: T) => string | undefined;
  caption: string;
}

export function DataTable<T>({ columns, rows, rowKey, rowClass, caption }: Props<T>) {
  const shown = columns.filter((column): column is Column<T> => column !== false);
  const phone = usePhone();
  const [frame, wide] = useWider();
  if (phone) {
    return (
      <ul className="cards" aria-label={caption}>
        {rows.map((row) => (
          <Card key={rowKey(row)} columns={shown} row={row} className={rowClass?.(row)} />
        ))}
      </ul>
    );
  }
  return (
    <div ref={frame} className="table-scroll" {...(wide && { tabIndex: 0, role: 'region', 'aria-label': caption })}>
      <table className="table">
        <caption className="hidden-text">{caption}</caption>
        <thead>
          <tr>
            {shown.map((column) => (
              <th key={column.key} scope="col" aria-sort={column.sorted} className={column.align === 'right' ? 'right' : undefined}>
                {column.head ?? column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className={rowClass?.(row)}>
              {uncovered(shown, row).map((column) => (
                <td
                  key={column.key}
                  colSpan={column.span?.(row)}
                  className={[column.align === 'right' && 'right', column.className].filter(Boolean).join(' ') || undefined}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The columns of a row without those that a wider cell before them covers. */
function uncovered<T>(columns: readonly Column<T>[], row: T): Column<T>[] {
  const out: Column<T>[] = [];
  for (let i = 0; i < columns.length; i += columns[i]?.span?.(row) ?? 1) out.push(columns[i] as Column<T>);
  return out;
}

function Card<T>({ columns, row, className }: { columns: readonly Column<T>[]; row: T; className?: string | undefined }) {
  const at = (place: Column<T>['card']) => columns.filter((column) => column.card === place);
  const body = at(undefined)
    .map((column) => ({ column, value: column.cell(row) }))
    .filter(({ value }) => value !== null && value !== undefined && value !== false && value !== '');
  // What has no title is something to be done.
  const facts = body.filter(({ column }) => column.title !== '');
  const acts = body.filter(({ column }) => column.title === '');
  return (
    <li className={className ? `card ${className}` : 'card'}>
      <div className="card-head">
        <div className="card-title">
          {at('head').map((column) => (
            <span key={column.key}>{column.cell(row)}</span>
          ))}
        </div>
        {at('head-end').map((column) => (
          <span key={column.key}>{column.cell(row)}</span>
        ))}
      </div>
      {at('bare').map((column) => (
        <div key={column.key}>{column.cell(row)}</div>
      ))}
      <dl className="card-facts">
        {facts.map(({ column, value }) => (
          <div key={column.key}>
            <dt>{column.title}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {acts.length > 0 && (
        <div className="card-acts">
          {acts.map(({ column, value }) => (
            <span key={column.key}>{value}</span>
          ))}
        </div>
      )}
    </li>
  );
}

// Pieces of the operator's pages: answers with their three states, lists with pages, periods, bars, choices. Knows no page.
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useFormat, useNow } from '../ui/hooks';
import { Empty, ErrorNote, Loading } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useAddress } from './address';
import { micros, share } from './money';
import { type Period, type PeriodName, PERIODS, periodOf } from './period';
import { q } from './queries';

/** Loading, failed, or the data. */
export function Answer<T>({ query, lines, children }: { query: UseQueryResult<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return <div className={query.isPlaceholderData ? 'is-stale' : undefined}>{children(query.data)}</div>;
  if (query.error) return <ErrorNote error={query.error} onRetry={() => void query.refetch()} />;
  return <Loading lines={lines ?? 4} />;
}

interface ListProps<T> {
  query: UseQueryResult<{ items: T[]; next_cursor?: string | null | undefined }>;
  columns: readonly (Column<T> | false)[];
  rowKey: (row: T) => string;
  rowClass?: (row: T) => string | undefined;
  caption: string;
  empty: { title: string; text?: string };
  /** Rows of the page that count; all when left out. */
  only?: (row: T) => boolean;
}

/** A page of a list with what leads to the next one. */
export function PagedTable<T>({ query, columns, rowKey, rowClass, caption, empty, only }: ListProps<T>) {
  return (
    <Answer query={query} lines={8}>
      {(page) => {
        const rows = only ? page.items.filter(only) : page.items;
        return (
          <>
            {rows.length === 0 ? (
              <Empty title={empty.title}>{empty.text && <p>{empty.text}</p>}</Empty>
            ) : (
              <DataTable columns={columns} rows={rows} rowKey={rowKey} {...(rowClass ? { rowClass } : {})} caption={caption} />
            )}
            <Pager next={page.next_cursor ?? undefined} />
          </>
        );
      }}
    </Answer>
  );
}

export function Pager({ next }: { next: string | undefined }) {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  if (!next && !search.cursor) return null;
  return (
    <div className="op-pager">
      {search.cursor && (
        <button type="button" className="button" onClick={() => change({ cursor: undefined })}>
          {t('op.first')}
        </button>
      )}
      {next && (
        <button type="button" className="button op-pager-next" onClick={() => change({ cursor: next })}>
          {t('op.next')}
        </button>
      )}
    </div>
  );
}

/** A period by its name, or the one that the address names, in the platform's days. */
export function usePeriod(named?: PeriodName): Period {
  const [search] = useAddress();
  const offset = useQuery(q.offset).data;
  return periodOf(named ? { period: named } : search, useNow(60_000), offset);
}

export function PeriodChooser() {
  const { t } = useTranslation();
  const [, change] = useAddress();
  const period = usePeriod();
  return (
    <div className="op-bar">
      <Choice label={t('op.period.label')} value={period.name} options={PERIODS.map((name) => ({ value: name, label: t(`op.period.${name}`) }))} onChange={(name) => change({ period: name, ...(name === 'own' ? { from: period.from, to: period.to } : { from: undefined, to: undefined }) })} />
      {period.name === 'own' ? (
        <>
          <label className="op-inline">
            <span>{t('op.period.from')}</span>
            <input type="date" className="field" value={period.from} max={period.to} onChange={(event) => event.target.value && change({ from: event.target.value })} />
          </label>
          <label className="op-inline">
            <span>{t('op.period.to')}</span>
            <input type="date" className="field" value={period.to} min={period.from} onChange={(event) => event.target.value && change({ to: event.target.value })} />
          </label>
        </>
      ) : (
        <span className="faint">{t('op.period.days', { from: period.from, to: period.to, offset: period.offset })}</span>
      )}
    </div>
  );
}

export interface Option {
  value: string;
  label: string;
}

export function Choice({ label, value, options, onChange }: { label: string; value: string; options: readonly Option[]; onChange: (value: string) => void }) {
  return (
    <label className="op-inline">
      <span>{label}</span>
      <select className="field" value={value} onChange={(event) => onChange(event.target.value)}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Pause in typing after which the server is asked. */
const SEARCH_AFTER_MS = 300;

/** A field by which the server narrows a list: the address follows when typing rests. */
export function ServerSearch({ label, name = 'q' }: { label: string; name?: 'q' | 'user' }) {
  const [search, change] = useAddress();
  const said = search[name] ?? '';
  const [text, setText] = useState(said);
  useEffect(() => setText(said), [said]);
  useEffect(() => {
    if (text.trim() === said) return;
    const timer = setTimeout(() => change({ [name]: text.trim() || undefined }), SEARCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [text, said]);
  return (
    <label className="op-inline">
      <span>{label}</span>
      <input type="search" className="field" value={text} maxLength={100} spellCheck={false} autoComplete="off" autoCapitalize="none" onChange={(event) => setText(event.target.value)} />
    </label>
  );
}

/** A field that narrows what is shown while typing; the address follows. */
export function SearchField({ label }: { label: string }) {
  const [search, change] = useAddress();
  return (
    <label className="op-inline">
      <span>{label}</span>
      <input type="search" className="field" value={search.q ?? ''} maxLength={100} spellCheck={false} autoComplete="off" onChange={(event) => change({ q: event.target.value || undefined })} />
    </label>
  );
}

/** An amount with its currency; what is below zero is told by colour and its sign. */
export function Amount({ value, currency, head, calm }: { value: string; currency: string; head?: boolean; calm?: boolean }) {
  const format = useFormat();
  const all = format.money(value, currency);
  return (
    <span className={value.startsWith('-') && !calm ? 'amount bad-text' : 'amount'} title={all}>
      {head ? format.moneyHead(value, currency) : format.moneyColumn(value, currency)}
    </span>
  );
}

export const Percent = ({ value }: { value: string | null | undefined }) => {
  const format = useFormat();
  return value == null ? <span className="faint">–</span> : <span className={value.startsWith('-') ? 'bad-text' : undefined}>{`${format.number(Number(value))} %`}</span>;
};

/** A bar behind an amount: its size against the largest of its column. */
export function Bar({ value, of, children }: { value: string; of: string; children: ReactNode }) {
  const negative = micros(value) < 0n;
  const part = share(negative ? value.slice(1) : value, of);
  return (
    <span className="bar">
      {children}
      <span className="bar-track" aria-hidden="true">
        <span className={negative ? 'bar-fill bar-bad' : 'bar-fill'} style={{ width: `${part * 100}%` }} />
      </span>
    </span>
  );
}

export interface Piece {
  key: string;
  label: string;
  /** Its size; any unit, the same for all. */
  size: number;
  text: string;
}

/** Shares of one whole side by side, each with its name and words below. */
export function Stack({ pieces }: { pieces: readonly Piece[] }) {
  const total = pieces.reduce((sum, piece) => sum + piece.size, 0);
  const shown = pieces.filter((piece) => piece.size > 0);
  return (
    <div className="stack">
      <div className="stack-bar" aria-hidden="true">
        {shown.map((piece) => (
          <span key={piece.key} className={`stack-${piece.key}`} style={{ width: `${(piece.size / total) * 100}%` }} />
        ))}
      </div>
      <ul className="stack-words">
        {shown.map((piece) => (
          <li key={piece.key}>
            <span className={`stack-dot stack-${piece.key}`} aria-hidden="true" />
            {piece.label} <strong>{piece.text}</strong>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** A time as the reader writes it, whole on hover. */
export function When({ at }: { at: string }) {
  const format = useFormat();
  const now = useNow(60_000);
  return (
    <time dateTime={at} title={format.fullTime(at)}>
      {format.time(at, now)}
    </time>
  );
}

export type Tone = 'good' | 'wait' | 'bad' | 'off' | 'run';
export const Tag = ({ tone, children }: { tone: Tone; children: ReactNode }) => <span className={`state state-plain state-${tone}`}>{children}</span>;

/** What is told once and must be copied: a token, a first password. */
export function Once({ label, text }: { label: string; text: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  return (
    <div className="once">
      <span className="faint">{label}</span>
      <code className="once-text mono">{text}</code>
      <button
        type="button"
        className="button"
        onClick={() => void navigator.clipboard?.writeText(text).then(() => setCopied(true))}
      >
        {copied ? t('op.copied') : t('op.copy')}
      </button>
    </div>
  );
}

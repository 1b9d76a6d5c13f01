// The table that explains a choice: each pool, whether it can, when, at what price, and which was chosen.
// The same for a job that exists and for a quote.
import { useTranslation } from 'react-i18next';

import type { Candidate } from '../api/types';
import { micros } from '../lib/decimal';
import { useFormat, useNow, useText } from './hooks';
import { type Column, DataTable } from './table';

export function CandidateTable({ candidates, currency }: { candidates: readonly Candidate[]; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useText();
  const now = useNow(10_000);
  const withCost = candidates.some((c) => c.cost !== undefined && c.cost !== null);
  const withTerms = candidates.some((c) => (c.terms?.length ?? 0) > 0);
  if (candidates.length === 0) return <p className="pad faint">{t('candidates.none')}</p>;

  const start = (c: Candidate) => {
    if (!c.expected_start) return null;
    const at = new Date(c.expected_start).getTime() <= now + 1000 ? t('candidates.now') : (
      <span title={format.fullTime(c.expected_start)}>{format.ago(c.expected_start, now)}</span>
    );
    return (
      <>
        {at}
        {!!c.data_time_seconds && <span className="faint"> {t('candidates.data', { time: format.span(c.data_time_seconds) })}</span>}
        {c.latency_seconds != null && (
          <span className="faint"> {t('candidates.users', { ms: format.number(c.latency_seconds * 1000, 1) })}</span>
        )}
      </>
    );
  };
  const columns: (Column<Candidate> | false)[] = [
    {
      key: 'pool',
      title: t('candidates.pool'),
      card: 'head',
      cell: (c) => (
        <span className="pool-cell">
          <span className="pool-name">
            <strong>{c.pool_name}</strong>
            {c.chosen && <span className="chip chip-chosen">{t('candidates.chosen')}</span>}
          </span>
          <span className="faint">{`${c.cluster_name} · ${t(`mode.${c.mode}`)}`}</span>
        </span>
      ),
    },
    {
      key: 'verdict',
      title: t('candidates.verdict'),
      card: 'bare',
      // A refusal has no start and no price; its reason takes their room.
      span: (c) => (c.verdict === 'feasible' ? 1 : withCost ? 6 : 5),
      cell: (c) => <Verdict candidate={c} text={text(c)} />,
    },
    { key: 'start', title: t('candidates.start'), cell: start },
    { key: 'run', title: t('candidates.run'), align: 'right', cell: (c) => c.run_time_seconds != null && format.span(c.run_time_seconds) },
    { key: 'price', title: t('candidates.price'), align: 'right', cell: (c) => c.price != null && <Price one={c} currency={currency} /> },
    withCost && { key: 'cost', title: t('candidates.cost'), align: 'right', cell: (c) => c.cost != null && format.money(c.cost, currency) },
    {
      key: 'score',
      title: t('candidates.score'),
      align: 'right',
      cell: (c) => c.score != null && <Score candidate={c} explained={withTerms} />,
    },
  ];
  return (
    <DataTable
      caption={t('candidates.verdict')}
      columns={columns.map((column) => column && { ...column, cell: (row: Candidate) => column.cell(row) || null })}
      rows={candidates}
      rowKey={(c) => c.pool}
      rowClass={(c) => (c.chosen ? 'is-chosen' : c.verdict === 'feasible' ? undefined : 'is-out')}
    />
  );
}

function Verdict({ candidate, text }: { candidate: Candidate; text: string }) {
  const { t } = useTranslation();
  if (candidate.verdict === 'feasible') return <span className="verdict verdict-yes">{t('candidates.feasible')}</span>;
  const { requested, available } = candidate;
  // The server's sentence carries the amounts where its rule is about amounts; they are added only when it does not.
  const told = !requested || !available || (text.includes(requested) && text.includes(available));
  return (
    <span className="verdict verdict-no">
      {text}
      {!told && <span className="faint"> {t('candidates.amounts', { requested, available })}</span>}
    </span>
  );
}

function Score({ candidate, explained }: { candidate: Candidate; explained: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const total = format.number(candidate.score ?? 0, 3);
  if (!explained || !candidate.terms?.length) return <span className="mono">{total}</span>;
  return (
    <details className="terms">
      <summary title={t('candidates.terms')}>{total}</summary>
      <ul>
        {candidate.terms.map((term) => (
          <li key={term.name}>
            <span>{term.name}</span> <span className="mono">{format.number(term.value, 3)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** The whole price, and what is left of it to pay where a contract or a grant pays of it. */
function Price({ one, currency }: { one: Candidate; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const isLess = one.to_pay != null && micros(one.to_pay) < micros(one.price);
  return (
    <>
      {format.money(one.price ?? '0', currency)}
      {isLess && <div className="faint">{t('candidates.toPay', { amount: format.money(one.to_pay ?? '0', currency) })}</div>}
    </>
  );
}

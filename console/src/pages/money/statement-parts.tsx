// What a statement is made of: sums by project and user and of usage, and its jobs a page at a time, all summed by the server.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Button } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { statementJobsQuery, statementQuery } from '../../api/money';
import type { StatementPart } from '../../api/types';
import { micros } from '../../lib/decimal';
import { useFormat } from '../../ui/hooks';
import { ErrorNote, Loading, Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { StatementUsage } from './statement-usage';

interface Of {
  number: number;
  currency: string;
}

export function StatementParts({ number, currency }: Of) {
  const { t } = useTranslation();
  const query = useQuery(statementQuery(number, true));
  if (query.error && !query.data) return <ErrorNote error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) {
    return (
      <Section title={t('statement.byProject')}>
        <Loading lines={6} />
      </Section>
    );
  }
  return (
    <>
      <Parts title={t('statement.byProject')} name={t('job.project')} parts={query.data.projects} currency={currency} />
      <Parts title={t('statement.byUser')} name={t('job.user')} parts={query.data.users} currency={currency} />
      <StatementUsage usage={query.data.usage ?? []} currency={currency} />
    </>
  );
}

export function StatementJobs({ number, currency }: Of) {
  const { t } = useTranslation();
  const format = useFormat();
  const whole = useQuery(statementQuery(number, true));
  const jobs = useInfiniteQuery(statementJobsQuery(number));
  if (jobs.error && !jobs.data) return <ErrorNote error={jobs.error} onRetry={() => void jobs.refetch()} />;
  if (!jobs.data) return null;
  const shown = jobs.data.pages.flatMap((page) => page.items);
  const counts = { shown: format.number(shown.length, 0), total: format.number(whole.data?.jobs_total ?? shown.length, 0) };
  const note = (
    <>
      {jobs.hasNextPage && (
        <div className="pager">
          <Button loading={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
            {t('statement.moreJobs', counts)}
          </Button>
        </div>
      )}
      {whole.data?.truncated && <p className="pad faint">{t('statement.truncated')}</p>}
    </>
  );
  return <Parts title={t('statement.byJob')} name={t('jobs.number')} parts={shown} currency={currency} note={note} />;
}

function Parts({ title, name, parts, currency, note }: { title: string; name: string; parts: readonly StatementPart[]; currency: string; note?: ReactNode }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (parts.length === 0) return null;
  const money = (text: string | undefined) => (micros(text) === 0n ? null : format.money(text ?? '0', currency));
  const has = (of: 'refunds' | 'fees' | 'corrections' | 'credits') => parts.some((one) => micros(one[of]) !== 0n);
  const columns: (Column<StatementPart> | false)[] = [
    {
      key: 'name',
      title: name,
      card: 'head',
      cell: (one) =>
        one.job ? (
          <Link to="/jobs/$job" params={{ job: one.job }}>
            <span className="mono">{one.number}</span> {one.name}
          </Link>
        ) : (
          one.name
        ),
    },
    { key: 'hours', title: t('statement.hours'), align: 'right', cell: (one) => format.number(Number(one.hours), 2) },
    { key: 'charges', title: t('statement.charges'), align: 'right', cell: (one) => money(one.charges) },
    has('refunds') && { key: 'refunds', title: t('statement.refunds'), align: 'right', cell: (one) => money(one.refunds) },
    has('credits') && { key: 'credits', title: t('statement.grants'), align: 'right', cell: (one) => money(one.credits) },
    has('fees') && { key: 'fees', title: t('statement.fees'), align: 'right', cell: (one) => money(one.fees) },
    has('corrections') && { key: 'corrections', title: t('statement.corrections'), align: 'right', cell: (one) => money(one.corrections) },
    { key: 'due', title: t('statement.due'), align: 'right', card: 'head-end', cell: (one) => <strong>{format.money(one.due, currency)}</strong> },
  ];
  return (
    <Section title={title} flush>
      <DataTable caption={title} columns={columns} rows={parts} rowKey={(one) => one.job ?? one.project ?? one.user ?? one.name} />
      {note}
    </Section>
  );
}

// The rows of the list: their columns, which of them are shown, and which jobs are chosen for something to be done to all.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Button, Dropdown } from 'antd';
import { useTranslation } from 'react-i18next';

import { type JobSort, sessionQuery } from '../api/queries';
import type { JobSummary } from '../api/types';
import { isOpen, label, phases } from '../lib/jobs';
import { useFormat, useNow, useText } from '../ui/hooks';
import { AmountsText } from '../ui/parts';
import { type Sorting, useSortHead } from '../ui/sort-head';
import { StateTag } from '../ui/state';
import { type Column, DataTable } from '../ui/table';

/** Columns that may be hidden, in their order; number, name and state stay. */
const OPTIONAL = ['user', 'project', 'pool', 'class', 'asks', 'limit', 'submitted', 'ended', 'time', 'charged'] as const;
const NAMES: Record<(typeof OPTIONAL)[number], string> = {
  user: 'jobs.user',
  project: 'job.project',
  pool: 'jobs.pool',
  class: 'jobs.class',
  asks: 'jobs.asks',
  limit: 'job.timeLimit',
  submitted: 'jobs.submitted',
  ended: 'jobs.ended',
  time: 'jobs.time',
  charged: 'jobs.charged',
};

export function Columns({ hidden, onChange }: { hidden: readonly string[]; onChange: (names: string[]) => void }) {
  const { t } = useTranslation();
  const items = OPTIONAL.map((name) => ({ key: name, label: t(NAMES[name]) }));
  const shown = OPTIONAL.filter((name) => !hidden.includes(name));
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items,
        multiple: true,
        selectable: true,
        selectedKeys: shown,
        onSelect: ({ selectedKeys }) => onChange(OPTIONAL.filter((name) => !selectedKeys.includes(name))),
        onDeselect: ({ selectedKeys }) => onChange(OPTIONAL.filter((name) => !selectedKeys.includes(name))),
      }}
    >
      <Button size="small">{t('jobs.columns')}</Button>
    </Dropdown>
  );
}

interface Props {
  jobs: JobSummary[];
  hidden: readonly string[];
  chosen: ReadonlySet<string>;
  onChoose: (chosen: ReadonlySet<string>) => void;
  sort: Sorting<JobSort>;
  onSort: (sort: Sorting<JobSort>) => void;
}

/** Columns by whose value the whole list can be sorted. */
const SORTED: Record<string, JobSort> = { number: 'number', name: 'name', user: 'user', ended: 'ended', time: 'run_time', charged: 'price' };

export function JobTable({ jobs, hidden, chosen, onChoose, sort, onSort }: Props) {
  const { t } = useTranslation();
  const now = useNow(jobs.some((job) => isOpen(job.state)) ? 1000 : 60_000);
  const role = useQuery(sessionQuery).data?.user.role;
  const across = role === 'operator' || role === 'auditor';
  const head = useSortHead(sort, onSort);
  const sorted = (column: Column<JobSummary>) => (column.key in SORTED ? { ...column, ...head(SORTED[column.key] as JobSort, column.title) } : column);
  const columns = [useChoice(jobs, chosen, onChoose), ...[...useFixed(), ...useOptional(now, across).filter((column) => !hidden.includes(column.key))].map(sorted)];
  return (
    <DataTable
      caption={t('jobs.title')}
      columns={columns}
      rows={jobs}
      rowKey={(job) => job.id}
      rowClass={(job) => (chosen.has(job.id) ? 'is-link is-picked' : 'is-link')}
    />
  );
}

function useChoice(jobs: JobSummary[], chosen: ReadonlySet<string>, onChoose: Props['onChoose']): Column<JobSummary> {
  const { t } = useTranslation();
  const all = jobs.length > 0 && jobs.every((job) => chosen.has(job.id));
  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    onChoose(next);
  };
  return {
    key: 'choose',
    title: t('bulk.choose'),
    head: (
      <label className="pick">
        <input type="checkbox" checked={all} aria-label={t('bulk.all')} onChange={() => onChoose(new Set(all ? [] : jobs.map((job) => job.id)))} />
      </label>
    ),
    card: 'head',
    className: 'pick-cell',
    cell: (job) => (
      <label className="pick">
        <input type="checkbox" checked={chosen.has(job.id)} aria-label={t('bulk.one', { label: label(job) })} onChange={() => toggle(job.id)} />
      </label>
    ),
  };
}

function useFixed(): Column<JobSummary>[] {
  const { t } = useTranslation();
  const text = useText();
  return [
    {
      key: 'number',
      title: t('jobs.number'),
      card: 'head',
      cell: (job) => (
        <Link to="/jobs/$job" params={{ job: label(job) }} className="row-link mono">
          {label(job)}
        </Link>
      ),
    },
    {
      // Of what waits, also why.
      key: 'name',
      title: t('jobs.name'),
      card: 'head',
      className: 'name-cell',
      cell: (job) => (
        <>
          <span title={job.name}>{job.name}</span>
          {job.reason && (
            <span className="row-why" title={text(job.reason)}>
              {text(job.reason)}
            </span>
          )}
        </>
      ),
    },
    { key: 'state', title: t('jobs.state'), card: 'head-end', cell: (job) => <StateTag state={job.state} /> },
  ];
}

function useOptional(now: number, across: boolean): Column<JobSummary>[] {
  const { t } = useTranslation();
  const format = useFormat();
  return [
    { key: 'user', title: t('jobs.user'), cell: (job) => (across ? `${job.tenant_name} › ${job.user_name}` : job.user_name) },
    { key: 'project', title: t('job.project'), cell: (job) => job.project_name },
    { key: 'pool', title: t('jobs.pool'), cell: (job) => job.pool_name },
    { key: 'class', title: t('jobs.class'), cell: (job) => t(`class.${job.class}`) },
    { key: 'asks', title: t('jobs.asks'), cell: (job) => <AmountsText amounts={job.requested} chip={job.requested.chips[0]} /> },
    { key: 'limit', title: t('job.timeLimit'), align: 'right', cell: (job) => format.span(job.time_limit_seconds) },
    {
      key: 'submitted',
      title: t('jobs.submitted'),
      cell: (job) => (
        <time dateTime={job.submitted_at} title={format.fullTime(job.submitted_at)}>
          {format.time(job.submitted_at, now)}
        </time>
      ),
    },
    {
      key: 'ended',
      title: t('jobs.ended'),
      cell: (job) =>
        job.ended_at && (
          <time dateTime={job.ended_at} title={format.fullTime(job.ended_at)}>
            {format.time(job.ended_at, now)}
          </time>
        ),
    },
    {
      key: 'time',
      title: t('jobs.time'),
      align: 'right',
      cell: (job) => {
        const { runSeconds } = phases(job, now);
        return runSeconds === undefined ? null : format.span(job.ended_at ? runSeconds : Math.floor(runSeconds));
      },
    },
    { key: 'charged', title: t('jobs.charged'), align: 'right', cell: (job) => (Number(job.charged) === 0 ? null : format.money(job.charged, job.currency)) },
  ];
}

// The list of jobs: filtered and paged by the server, its view in the address, its states live.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Button, Input } from 'antd';
import { type FormEvent, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { jobsQuery, sessionQuery } from '../api/queries';
import type { JobSummary } from '../api/types';
import type { JobsSearch } from '../app/router';
import { isOpen, label, phases, viewNames, VIEWS } from '../lib/jobs';
import { useFormat, useNow, useText, useTitle } from '../ui/hooks';
import { BackIcon, NextIcon } from '../ui/icons';
import { AmountsText, Empty, ErrorNote, Loading, PageHead, Section } from '../ui/parts';
import { StateTag } from '../ui/state';
import { type Column, DataTable } from '../ui/table';

const route = getRouteApi('/shell/jobs');

export function JobsPage() {
  const { t } = useTranslation();
  useTitle(t('jobs.title'));
  const search = route.useSearch();
  const { view, ...filter } = search;
  const jobs = useQuery(jobsQuery({ ...VIEWS[view ?? 'all'], ...filter }));
  const filtered = Boolean(view ?? filter.name ?? filter.user ?? filter.pool ?? filter.array);

  return (
    <>
      <PageHead title={t('jobs.title')}>
        <Link to="/submit" className="button button-primary">
          {t('nav.submitJob')}
        </Link>
      </PageHead>
      <Views search={search} />
      <Filters search={search} />
      <Section flush>
        {jobs.error && !jobs.data ? (
          <ErrorNote error={jobs.error} onRetry={() => void jobs.refetch()} />
        ) : !jobs.data ? (
          <Loading lines={8} />
        ) : jobs.data.items.length === 0 ? (
          <Nothing filtered={filtered} />
        ) : (
          <div className={jobs.isPlaceholderData ? 'is-stale' : undefined}>
            <JobTable jobs={jobs.data.items} />
          </div>
        )}
      </Section>
      <Pager search={search} next={jobs.data?.next_cursor ?? undefined} />
    </>
  );
}

function Views({ search }: { search: JobsSearch }) {
  const { t } = useTranslation();
  const current = search.view ?? 'all';
  return (
    <nav className="views" aria-label={t('jobs.views')}>
      {viewNames.map((name) => (
        <Link
          key={name}
          to="/jobs"
          search={{ ...search, view: name === 'all' ? undefined : name, cursor: undefined }}
          className={name === current ? 'view is-active' : 'view'}
          aria-current={name === current ? 'true' : undefined}
        >
          {t(`jobs.view.${name}`)}
        </Link>
      ))}
    </nav>
  );
}

type FilterName = 'name' | 'user' | 'pool';

function Filters({ search }: { search: JobsSearch }) {
  const { t } = useTranslation();
  const navigate = route.useNavigate();
  const [draft, setDraft] = useState<JobsSearch>(search);
  // Back, forward and links change the address under the fields.
  useEffect(() => setDraft(search), [search]);
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const trimmed = (name: FilterName) => draft[name]?.trim() || undefined;
    void navigate({ search: { ...search, name: trimmed('name'), user: trimmed('user'), pool: trimmed('pool'), cursor: undefined } });
  };
  const field = (name: FilterName, placeholder: string) => (
    <Input
      value={draft[name] ?? ''}
      onChange={(event) => setDraft({ ...draft, [name]: event.target.value })}
      onBlur={apply}
      placeholder={placeholder}
      aria-label={placeholder}
      allowClear
      maxLength={200}
      spellCheck={false}
      autoCapitalize="none"
    />
  );
  const any = search.name ?? search.user ?? search.pool ?? search.array;
  return (
    <form className="filters" onSubmit={apply} role="search" aria-label={t('jobs.title')}>
      {field('name', t('jobs.filterName'))}
      {field('user', t('jobs.filterUser'))}
      {field('pool', t('jobs.filterPool'))}
      {search.array && <span className="chip">{`${t('job.array')} ${search.array}`}</span>}
      {any && (
        <Link to="/jobs" search={{ view: search.view }} className="filters-clear">
          {t('jobs.filterClear')}
        </Link>
      )}
      <button type="submit" hidden />
    </form>
  );
}

function JobTable({ jobs }: { jobs: JobSummary[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useText();
  const now = useNow(jobs.some((job) => isOpen(job.state)) ? 1000 : 60_000);
  const role = useQuery(sessionQuery).data?.user.role;
  const across = role === 'operator' || role === 'auditor';
  const columns: (Column<JobSummary> | false)[] = [
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
    { key: 'user', title: t('jobs.user'), cell: (job) => (across ? `${job.tenant_name} › ${job.user_name}` : job.user_name) },
    { key: 'pool', title: t('jobs.pool'), cell: (job) => job.pool_name },
    { key: 'asks', title: t('jobs.asks'), cell: (job) => <AmountsText amounts={job.requested} chip={job.requested.chips[0]} /> },
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
  return <DataTable caption={t('jobs.title')} columns={columns} rows={jobs} rowKey={(job) => job.id} rowClass={() => 'is-link'} />;
}

function Nothing({ filtered }: { filtered: boolean }) {
  const { t } = useTranslation();
  if (filtered) {
    return (
      <Empty title={t('jobs.emptyFilteredTitle')}>
        <p>{t('jobs.emptyFilteredText')}</p>
        <Link to="/jobs">{t('jobs.filterClear')}</Link>
      </Empty>
    );
  }
  return (
    <Empty title={t('home.emptyTitle')}>
      <p>{t('home.emptyText')}</p>
      <Link to="/submit" className="button button-primary">
        {t('nav.submitJob')}
      </Link>
    </Empty>
  );
}

/** Cursors lead onward only; the way back is the browser's, and the newest page is always one step away. */
function Pager({ search, next }: { search: JobsSearch; next: string | undefined }) {
  const { t } = useTranslation();
  if (!next && !search.cursor) return null;
  return (
    <div className="pager">
      {search.cursor && (
        <>
          <Link to="/jobs" search={{ ...search, cursor: undefined }} className="button">
            {t('jobs.newest')}
          </Link>
          <Button icon={<BackIcon />} onClick={() => window.history.back()}>
            {t('jobs.newer')}
          </Button>
          <span className="faint">{t('jobs.olderPage')}</span>
        </>
      )}
      {next && (
        <Link to="/jobs" search={{ ...search, cursor: next }} className="button pager-next">
          {t('jobs.older')}
          <NextIcon />
        </Link>
      )}
    </div>
  );
}

// What a tenant wants to know first: what runs, what waits and why, what went wrong, what is left, where there is room.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { ApiProblem } from '../api/problem';
import { jobsQuery, poolsQuery, sessionQuery, walletQuery } from '../api/queries';
import type { JobSummary } from '../api/types';
import { micros } from '../lib/decimal';
import { label, phases, VIEWS } from '../lib/jobs';
import { useFormat, useNow, useText, useTitle } from '../ui/hooks';
import { AmountsText, Empty, ErrorNote, Loading, PageHead, Section } from '../ui/parts';
import { PoolRoom } from '../ui/pool-room';
import { StateTag } from '../ui/state';
import { Notices, RunRate } from './home-money';

/** Lines of each list here; the rest is one tap away. */
const LINES = 6;

export function HomePage() {
  const { t } = useTranslation();
  useTitle(t('home.title'));
  const running = useQuery(jobsQuery({ ...VIEWS.running, limit: LINES }));
  const waiting = useQuery(jobsQuery({ ...VIEWS.waiting, limit: LINES }));
  const failed = useQuery(jobsQuery({ ...VIEWS.failed, limit: LINES - 2 }));
  const any = useQuery(jobsQuery({ limit: 1 }));

  const fresh = any.data?.items.length === 0;
  return (
    <>
      <PageHead title={t('home.title')}>
        <Link to="/submit" className="button button-primary">
          {t('nav.submitJob')}
        </Link>
      </PageHead>
      <div className="home">
        <div className="home-main">
          {fresh ? (
            <Section>
              <Empty title={t('home.emptyTitle')}>
                <p>{t('home.emptyText')}</p>
                <Link to="/submit" className="button button-primary">
                  {t('nav.submitJob')}
                </Link>
              </Empty>
            </Section>
          ) : (
            <>
              <JobList query={running} title={t('home.running')} none={t('home.runningNone')} all={<Link to="/jobs" search={{ view: 'running' }}>{t('home.allRunning')}</Link>}>
                {(jobs) => jobs.map((job) => <RunningLine key={job.id} job={job} />)}
              </JobList>
              <JobList query={waiting} title={t('home.waiting')} none={t('home.waitingNone')} all={<Link to="/jobs" search={{ view: 'waiting' }}>{t('home.allWaiting')}</Link>}>
                {(jobs) => jobs.map((job) => <WaitingLine key={job.id} job={job} />)}
              </JobList>
              {(failed.data?.items.length ?? 0) > 0 && (
                <JobList query={failed} title={t('home.endedBadly')} none="" all={<Link to="/jobs" search={{ view: 'failed' }}>{t('home.allFailed')}</Link>}>
                  {(jobs) => jobs.map((job) => <FailedLine key={job.id} job={job} />)}
                </JobList>
              )}
            </>
          )}
        </div>
        <div className="home-side">
          <Notices />
          <Balance />
          <PoolsPanel />
        </div>
      </div>
    </>
  );
}

interface ListProps {
  query: { data?: { items: JobSummary[]; next_cursor?: string | null } | undefined; error: unknown; refetch: () => unknown };
  title: string;
  none: string;
  all: ReactNode;
  children: (jobs: JobSummary[]) => ReactNode;
}

function JobList({ query, title, none, all, children }: ListProps) {
  const { t } = useTranslation();
  const jobs = query.data?.items;
  const count = jobs && (query.data?.next_cursor ? t('home.more', { count: jobs.length }) : String(jobs.length));
  const head = (
    <>
      {title} {jobs && jobs.length > 0 && <span className="count">{count}</span>}
    </>
  );
  return (
    <Section title={head} aside={jobs && jobs.length > 0 && all} flush>
      {query.error && !jobs ? (
        <ErrorNote error={query.error} onRetry={() => query.refetch()} />
      ) : !jobs ? (
        <Loading lines={2} />
      ) : jobs.length === 0 ? (
        <p className="pad faint">{none}</p>
      ) : (
        <ul className="lines">{children(jobs)}</ul>
      )}
    </Section>
  );
}

function Line({ job, children, end }: { job: JobSummary; children?: ReactNode; end?: ReactNode }) {
  return (
    <li className="line">
      <div className="line-head">
        <StateTag state={job.state} />
        <Link to="/jobs/$job" params={{ job: label(job) }} className="line-link">
          <span className="mono faint">{label(job)}</span> <strong>{job.name}</strong>
        </Link>
        <span className="line-end">{end}</span>
      </div>
      <div className="line-text">{children}</div>
    </li>
  );
}

function RunningLine({ job }: { job: JobSummary }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow();
  const { runSeconds = 0 } = phases(job, now);
  const part = Math.min(1, runSeconds / job.time_limit_seconds);
  return (
    <Line job={job} end={t('home.elapsed', { elapsed: format.span(Math.floor(runSeconds)), limit: format.span(job.time_limit_seconds) })}>
      <span className="progress" aria-hidden="true">
        <span style={{ width: `${part * 100}%` }} />
      </span>
      <span className="line-facts">
        <span>{job.pool_name}</span>
        <AmountsText amounts={job.requested} chip={job.requested.chips[0]} />
      </span>
    </Line>
  );
}

function WaitingLine({ job }: { job: JobSummary }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useText();
  const now = useNow(10_000);
  const since = format.span(Math.round(phases(job, now).waitSeconds));
  return (
    <Line job={job} end={t('home.waitingSince', { span: since })}>
      <span className="line-facts">
        {job.reason && <span>{text(job.reason)}</span>}
        {job.expected_start && <span>{t('home.expected', { when: format.ago(job.expected_start, now) })}</span>}
      </span>
    </Line>
  );
}

function FailedLine({ job }: { job: JobSummary }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  return (
    <Line job={job} end={job.ended_at && <span title={format.fullTime(job.ended_at)}>{format.ago(job.ended_at, now)}</span>}>
      <span className="line-facts">
        <span>{job.pool_name}</span>
        {job.exit && (job.exit.code !== 0 || job.exit.signal !== 0) && <span>{job.exit.signal ? t('job.exitSignal', { signal: job.exit.signal }) : t('job.exitCode', { code: job.exit.code })}</span>}
      </span>
    </Line>
  );
}

function Balance() {
  const { t } = useTranslation();
  const format = useFormat();
  const tenant = useQuery(sessionQuery).data?.user.tenant ?? '';
  const wallet = useQuery({ ...walletQuery(tenant), enabled: tenant !== '' });
  // Not everyone may see money; nothing is amiss then.
  if (wallet.error instanceof ApiProblem && [403, 404].includes(wallet.error.status)) return null;
  const data = wallet.data;
  return (
    <Section title={t('home.balance')} aside={<Link to="/money">{t('nav.money')}</Link>}>
      {wallet.error && !data ? (
        <ErrorNote error={wallet.error} onRetry={() => void wallet.refetch()} />
      ) : !data ? (
        <Loading lines={1} />
      ) : (
        <>
          <p className={data.available.startsWith('-') ? 'figure figure-bad' : 'figure'}>{format.moneyShort(data.available, data.currency)}</p>
          <p className="faint">
            {t('home.balanceDetail', { balance: format.money(data.balance, data.currency), held: format.money(data.held, data.currency) })}
            {micros(data.credit_limit) !== 0n && ` · ${t('home.credit', { credit: format.money(data.credit_limit, data.currency) })}`}
          </p>
          <RunRate tenant={tenant} available={data.available} currency={data.currency} />
        </>
      )}
    </Section>
  );
}

function PoolsPanel() {
  const { t } = useTranslation();
  const pools = useQuery(poolsQuery);
  return (
    <Section title={t('pools.title')} aside={<Link to="/pools">{t('home.poolsAll')}</Link>}>
      {pools.error && !pools.data ? (
        <ErrorNote error={pools.error} onRetry={() => void pools.refetch()} />
      ) : !pools.data ? (
        <Loading lines={3} />
      ) : pools.data.items.length === 0 ? (
        <p className="faint">{t('pools.emptyText')}</p>
      ) : (
        pools.data.items.slice(0, LINES).map((pool) => (
          <div key={pool.id} className="pool-brief">
            <h3>
              {pool.name} {pool.chip && <span className="chip">{pool.chip}</span>}
            </h3>
            <PoolRoom pool={pool} />
          </div>
        ))
      )}
    </Section>
  );
}

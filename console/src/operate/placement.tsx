// The queue with its reasons, and the policy that orders it: edited with the server's own check before it is put into force.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import type { JobSummary } from '../api/types';
import { label } from '../lib/jobs';
import { useFormat, useNow, useText, useTitle } from '../ui/hooks';
import { AmountsText, Empty, PageHead, Section } from '../ui/parts';
import { StateTag } from '../ui/state';
import { type Column, DataTable } from '../ui/table';
import { useAddress } from './address';
import { Answer, Choice, SearchField } from './parts';
import { PolicyEditor, PolicyVersions } from './policy';
import { q } from './queries';
import { CLASSES, queueByClass } from './standing';

export function PlacementPage() {
  const { t } = useTranslation();
  useTitle(t('opPlace.title'));
  const [search, change] = useAddress();
  const tab = search.tab === 'policy' || search.tab === 'versions' ? search.tab : 'queue';
  const names = { queue: t('opPlace.queue'), policy: t('opPlace.policy'), versions: t('opPlace.versions') };
  return (
    <>
      <PageHead title={t('opPlace.title')} />
      <nav className="views" aria-label={t('opPlace.title')}>
        {(['queue', 'policy', 'versions'] as const).map((name) => (
          <button key={name} type="button" className={name === tab ? 'view is-active' : 'view'} aria-current={name === tab ? 'page' : undefined} onClick={() => change({ tab: name === 'queue' ? undefined : name, version: undefined })}>
            {names[name]}
          </button>
        ))}
      </nav>
      {tab === 'queue' ? <Queue /> : tab === 'policy' ? <PolicyEditor /> : <PolicyVersions />}
    </>
  );
}

/** Whether a job is of the class and has the words, in any of its names. */
const fits = (job: JobSummary, wanted: { class?: string | undefined; q?: string | undefined }): boolean => {
  const words = wanted.q?.toLowerCase();
  return (!wanted.class || job.class === wanted.class) && (!words || [job.name, job.tenant_name, job.user_name, job.project_name, label(job)].some((text) => text.toLowerCase().includes(words)));
};

function Queue() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const waiting = useQuery(q.waiting());
  return (
    <>
      <div className="op-bar">
        <Choice label={t('opPlace.class')} value={search.class ?? ''} options={[{ value: '', label: t('opPlace.allClasses') }, ...CLASSES.map((value) => ({ value, label: t(`op.class.${value}`) }))]} onChange={(value) => change({ class: value || undefined })} />
        <SearchField label={t('opPlace.search')} />
      </div>
      <Section flush>
        <Answer query={waiting} lines={8}>
          {(page) => {
            const jobs = page.items.filter((job) => fits(job, search));
            return page.items.length === 0 ? (
              <Empty title={t('opPlace.empty')}><p>{t('opPlace.emptyText')}</p></Empty>
            ) : (
              <>
                <p className="pad faint">{queueByClass(page.items).filter((line) => line.count > 0).map((line) => `${t(`op.class.${line.class}`)} ${line.count}`).join(' · ')}{page.next_cursor && ` · ${t('op.overview.queueMore', { count: page.items.length })}`}</p>
                {jobs.length === 0 ? <Empty title={t('opPlace.noneFit')} /> : <QueueTable jobs={jobs.slice(0, ROWS)} />}
                {jobs.length > ROWS && <p className="pad faint">{t('opPlace.more', { count: jobs.length - ROWS })}</p>}
              </>
            );
          }}
        </Answer>
      </Section>
    </>
  );
}

/** Rows shown of the queue at once; the fields narrow it. */
const ROWS = 200;

function QueueTable({ jobs }: { jobs: readonly JobSummary[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useText();
  const now = useNow(30_000);
  const columns: Column<JobSummary>[] = [
    { key: 'job', title: t('opPlace.job'), card: 'head', cell: (job) => <Link to="/jobs/$job" params={{ job: label(job) }} className="row-link"><span className="mono">{label(job)}</span> {job.name}</Link> },
    { key: 'state', title: t('opPlace.state'), card: 'head-end', cell: (job) => <StateTag state={job.state} /> },
    { key: 'class', title: t('opPlace.class'), cell: (job) => t(`op.class.${job.class}`) },
    { key: 'who', title: t('opPlace.who'), cell: (job) => `${job.tenant_name} › ${job.user_name}` },
    { key: 'asks', title: t('opPlace.asks'), cell: (job) => <AmountsText amounts={job.requested} chip={job.requested.chips[0]} /> },
    { key: 'since', title: t('opPlace.since'), align: 'right', cell: (job) => <span title={format.fullTime(job.submitted_at)}>{format.ago(job.submitted_at, now)}</span> },
    { key: 'start', title: t('opPlace.start'), align: 'right', cell: (job) => job.expected_start && <span title={format.fullTime(job.expected_start)}>{format.ago(job.expected_start, now)}</span> },
    { key: 'why', title: t('opPlace.why'), className: 'wrap-cell', cell: (job) => job.reason && text(job.reason) },
  ];
  return <DataTable columns={columns} rows={jobs} rowKey={(job) => job.id} rowClass={() => 'is-link'} caption={t('opPlace.queue')} />;
}

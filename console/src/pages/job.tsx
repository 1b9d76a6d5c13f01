// One job from submission to end: what it is, why it waits or where it ran, what happened, what it wrote, what it cost.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { App, Button, Popconfirm } from 'antd';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { ApiProblem, asProblem } from '../api/problem';
import { explainQuery, jobEventsQuery, jobQuery, sessionQuery } from '../api/queries';
import type { Event, Job } from '../api/types';
import { type Action, actionsOf, isOpen, label, phases } from '../lib/jobs';
import { ArrayGrid } from '../ui/array-grid';
import { CandidateTable } from '../ui/candidates';
import { useFormat, useNow, useText, useTitle } from '../ui/hooks';
import { BackIcon } from '../ui/icons';
import { LogView } from '../ui/log-view';
import { AmountsText, Empty, ErrorNote, Facts, Loading, Section } from '../ui/parts';
import { StateTag } from '../ui/state';
import { Attempts } from './job-attempts';
import { Cost } from './job-cost';
import { Files } from './job-files';

const route = getRouteApi('/shell/jobs/$job');

export function JobPage() {
  const { t } = useTranslation();
  const { job: name } = route.useParams();
  const { stream } = route.useSearch();
  const navigate = route.useNavigate();
  const job = useQuery(jobQuery(name));
  useTitle(job.data ? `${label(job.data)} ${job.data.name}` : t('job.title', { label: name }));

  if (job.error instanceof ApiProblem && job.error.status === 404) {
    return (
      <Section>
        <Empty title={t('job.notFoundTitle')}>
          <p>{t('job.notFoundText', { job: name })}</p>
          <Link to="/jobs">{t('job.back')}</Link>
        </Empty>
      </Section>
    );
  }
  if (job.error && !job.data) return <ErrorNote error={job.error} onRetry={() => void job.refetch()} />;
  if (!job.data) {
    return (
      <Section>
        <Loading lines={8} />
      </Section>
    );
  }
  // Who waits wants to know why and until when; afterwards the output comes first.
  const waiting = !job.data.started_at && isOpen(job.data.state);
  const explanation = <Explanation job={job.data} />;
  return (
    <>
      <Head job={job.data} />
      <Why job={job.data} />
      <div className="job">
        <div className="job-main">
          {waiting && explanation}
          <LogView
            job={job.data}
            stream={stream ?? 'stdout'}
            onStream={(next) => void navigate({ search: (before) => ({ ...before, stream: next === 'stderr' ? next : undefined }), replace: true, resetScroll: false })}
          />
          <Files job={job.data} />
          {job.data.array && (
            <Section title={t('job.array')} aside={<Link to="/jobs" search={{ array: String(job.data.array.root_number) }}>{t('array.list')}</Link>}>
              <ArrayGrid array={String(job.data.array.root_number)} current={job.data.id} />
            </Section>
          )}
          <Attempts job={job.data} />
          {!waiting && explanation}
        </div>
        <div className="job-side">
          <Cost job={job.data} />
          <FactsPanel job={job.data} />
          <Timeline job={job.data} />
        </div>
      </div>
    </>
  );
}

function Head({ job }: { job: Job }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow();
  const open = isOpen(job.state);
  const { waitSeconds, runSeconds } = phases(job, now);
  const span = (seconds: number, live: boolean) => format.span(live ? Math.floor(seconds) : seconds);
  return (
    <header className="job-head">
      <Link to="/jobs" className="back">
        <BackIcon />
        {t('job.back')}
      </Link>
      <div className="job-title">
        <h1>
          <span className="mono faint">{label(job)}</span> {job.name}
        </h1>
        <StateTag state={job.state} />
        <Actions job={job} />
      </div>
      <p className="job-phases">
        <span>
          {runSeconds === undefined && open
            ? t('job.phaseWaiting', { span: span(waitSeconds, true) })
            : t('job.phaseWait', { span: span(waitSeconds, false) })}
        </span>
        {runSeconds !== undefined && (
          <span>{job.ended_at ? t('job.phaseRun', { span: span(runSeconds, false) }) : t('job.phaseRunning', { span: span(runSeconds, true) })}</span>
        )}
        <span className="faint">{t('job.phaseLimit', { span: format.span(job.time_limit_seconds) })}</span>
        <span>
          <strong>{format.money(job.charged, job.currency)}</strong> <span className="faint">{open ? t('job.chargedSoFar') : t('job.charged')}</span>
        </span>
      </p>
      {job.state === 'RUNNING' && (
        <span className="progress" aria-hidden="true">
          <span style={{ width: `${Math.min(1, (runSeconds ?? 0) / job.time_limit_seconds) * 100}%` }} />
        </span>
      )}
    </header>
  );
}

function Actions({ job }: { job: Job }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message } = App.useApp();
  const act = useMutation({
    mutationFn: (action: Action) => {
      const path = { params: { path: { job: job.id } } };
      switch (action) {
        case 'cancel':
          return unwrap(api.POST('/v1/jobs/{job}/cancel', path));
        case 'hold':
          return unwrap(api.POST('/v1/jobs/{job}/hold', path));
        case 'release':
          return unwrap(api.POST('/v1/jobs/{job}/release', path));
        case 'requeue':
          return unwrap(api.POST('/v1/jobs/{job}/requeue', path));
      }
    },
    onSuccess: (done, action) => void message.success(done.changed === 0 ? t('job.unchanged') : t(`job.done.${action}`)),
    onError: (error) => {
      const problem = asProblem(error);
      void message.error(t(`error.${problem.code}`, { defaultValue: problem.detail }));
    },
    onSettled: () => Promise.all([client.invalidateQueries({ queryKey: ['job'] }), client.invalidateQueries({ queryKey: ['jobs'] })]),
  });
  const questions: Partial<Record<Action, { title: string; text: string }>> = {
    cancel: { title: t('job.cancelAsk'), text: job.started_at ? t('job.cancelAskRunning') : t('job.cancelAskWaiting') },
    requeue: { title: t('job.requeueAsk'), text: t('job.requeueAskText') },
  };
  return (
    <div className="job-actions">
      {actionsOf(job.state).map((action) => {
        const question = questions[action];
        const busy = act.isPending && act.variables === action;
        if (!question) {
          return (
            <Button key={action} loading={busy} onClick={() => act.mutate(action)}>
              {t(`job.${action}`)}
            </Button>
          );
        }
        return (
          <Popconfirm
            key={action}
            title={question.title}
            description={<div className="ask">{question.text}</div>}
            okText={t(`job.${action}`)}
            cancelText={t('job.cancelKeep')}
            okButtonProps={{ danger: true }}
            placement="bottomRight"
            onConfirm={() => act.mutate(action)}
          >
            <Button danger={action === 'cancel'} loading={busy}>
              {t(`job.${action}`)}
            </Button>
          </Popconfirm>
        );
      })}
      <Link to="/submit" search={{ from: label(job) }} className="button">
        {t('job.resubmit')}
      </Link>
    </div>
  );
}

/** A waiting job says why, and until when, before everything else. */
function Why({ job }: { job: Job }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useText();
  const now = useNow(5000);
  if (!job.reason) return null;
  return (
    <div className="note note-wait">
      <div>
        <strong>{t('job.whyWaiting')}</strong>
        <p>{text(job.reason)}</p>
        {job.expected_start && (
          <p>
            {`${t('job.expectedStart')}: `}
            <time dateTime={job.expected_start} title={format.fullTime(job.expected_start)}>
              {`${format.ago(job.expected_start, now)} (${format.time(job.expected_start, now)})`}
            </time>
          </p>
        )}
      </div>
    </div>
  );
}

function FactsPanel({ job }: { job: Job }) {
  const { t } = useTranslation();
  const format = useFormat();
  const role = useQuery(sessionQuery).data?.user.role;
  const across = role === 'operator' || role === 'auditor';
  const time = (iso: string | null | undefined) => iso && <time dateTime={iso}>{format.fullTime(iso)}</time>;
  const exit = job.exit && (job.exit.signal ? t('job.exitSignal', { signal: job.exit.signal }) : t('job.exitCode', { code: job.exit.code }));
  const file = (path: string | null | undefined) => path && <span className="mono path">{path}</span>;
  const nodes = job.attempts.at(-1)?.nodes ?? [];
  return (
    <Section title={t('job.facts')}>
      <Facts
        items={[
          [t('job.pool'), job.pool_name],
          [t('job.nodes'), nodes.length > 0 && <span className="mono">{nodes.slice(0, 8).join(', ') + (nodes.length > 8 ? ' …' : '')}</span>],
          [t('job.requested'), <AmountsText key="asks" amounts={job.requested} chip={job.requested.chips[0]} />],
          [t('job.shape'), t('job.shapeText', { nodes: job.requested.nodes, tasks: job.requested.tasks, cpus: job.requested.cpus_per_task })],
          [t('job.timeLimit'), format.span(job.time_limit_seconds)],
          [t('job.submitted'), time(job.submitted_at)],
          [t('job.begin'), time(job.begin)],
          [t('job.started'), time(job.started_at)],
          [t('job.ended'), time(job.ended_at)],
          [t('job.exit'), exit],
          [t('job.tenant'), across && job.tenant_name],
          [t('job.project'), job.project_name],
          [t('job.user'), job.user_name],
          [t('job.class'), t(`class.${job.class}`)],
          [
            t('job.array'),
            job.array && (
              <Link to="/jobs" search={{ array: String(job.array.root_number) }}>
                {`${job.array.root_number} [${job.array.index}]`}
              </Link>
            ),
          ],
          [
            t('job.dependencies'),
            job.dependencies.length > 0 &&
              job.dependencies.map((d) => (
                <div key={d.on} className="nowrap">
                  <span className="mono">{d.kind}</span>{' '}
                  <Link to="/jobs/$job" params={{ job: d.on }} className="mono short-id">
                    {d.on}
                  </Link>
                </div>
              )),
          ],
          [t('job.workDir'), file(job.work_dir)],
          [t('job.stdout'), file(job.stdout)],
          [t('job.stderr'), file(job.stderr)],
          [t('job.comment'), job.comment],
        ]}
      />
    </Section>
  );
}

function Timeline({ job }: { job: Job }) {
  const { t } = useTranslation();
  const events = useInfiniteQuery(jobEventsQuery(job.id));
  const all = events.data?.pages.flatMap((page) => page.items);
  return (
    <Section title={t('job.timeline')}>
      {events.error && !all ? (
        <ErrorNote error={events.error} onRetry={() => void events.refetch()} />
      ) : !all ? (
        <Loading lines={4} />
      ) : all.length === 0 ? (
        <p className="faint">{t('job.timelineEmpty')}</p>
      ) : (
        <ol className="timeline">
          {all.map((event, i) => (
            <Moment key={event.seq} event={event} before={all[i - 1]} />
          ))}
        </ol>
      )}
      {events.hasNextPage && (
        <Button size="small" loading={events.isFetchingNextPage} onClick={() => void events.fetchNextPage()}>
          {t('job.timelineMore')}
        </Button>
      )}
    </Section>
  );
}

function Moment({ event, before }: { event: Event; before: Event | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useText();
  const seconds = before && (new Date(event.at).getTime() - new Date(before.at).getTime()) / 1000;
  const words = text(event);
  return (
    <li className={`moment moment-${event.kind}`}>
      <div className="moment-text">{words.charAt(0).toUpperCase() + words.slice(1)}</div>
      <div className="moment-facts faint">
        <time dateTime={event.at} title={format.fullTime(event.at)}>
          {format.time(event.at, Date.now())}
        </time>
        {seconds !== undefined && seconds >= 0.05 && <span>{t('job.after', { span: format.span(seconds) })}</span>}
        {event.actor.name && <span>{t('job.by', { name: event.actor.name })}</span>}
      </div>
    </li>
  );
}

function Explanation({ job }: { job: Job }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(10_000);
  const explained = useQuery(explainQuery(job.id));
  const data = explained.data;
  // A job that never got as far as a choice has nothing to explain.
  if (explained.error instanceof ApiProblem && [404, 409].includes(explained.error.status)) return null;
  const when = data && format.ago(data.at, now);
  return (
    <Section title={t('job.explanation')} flush>
      {explained.error && !data ? (
        <ErrorNote error={explained.error} onRetry={() => void explained.refetch()} />
      ) : !data ? (
        <Loading lines={3} />
      ) : (
        <>
          <p className="pad faint">
            {data.phase === 'pending' ? t('job.explainedPending', { when }) : t('job.explainedPlaced', { attempt: data.attempt ?? 1, when })}{' '}
            {`${t('candidates.price')}: ${t('candidates.priceNote')}`}
          </p>
          <CandidateTable candidates={data.candidates} currency={data.currency} />
        </>
      )}
    </Section>
  );
}

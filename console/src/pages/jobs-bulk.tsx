// What is done to many jobs at once: cancel by one request, the others one after another, each refusal counted and told.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { App, Button, Popconfirm } from 'antd';
import { useTranslation } from 'react-i18next';

import { api, idempotencyKey, unwrap } from '../api/client';
import { asProblem } from '../api/problem';
import type { JobSummary } from '../api/types';
import { actionsOf, handedIn } from '../lib/jobs';

const BULK = ['cancel', 'hold', 'release', 'resubmit'] as const;
type Bulk = (typeof BULK)[number];
/** Requests under way at once. */
const AT_ONCE = 4;

/** Those of the chosen to which it is done. */
const meant = (jobs: readonly JobSummary[], action: Bulk): JobSummary[] =>
  action === 'resubmit' ? handedIn(jobs) : jobs.filter((job) => actionsOf(job.state).includes(action));

interface Outcome {
  done: number;
  refused: number;
  /** Code of the first refusal. */
  code?: string;
}

/** Does one thing to each, a few at once. */
async function each(jobs: readonly JobSummary[], act: (job: JobSummary) => Promise<unknown>): Promise<Outcome> {
  const outcome: Outcome = { done: 0, refused: 0 };
  const left = [...jobs];
  const worker = async () => {
    for (let job = left.shift(); job; job = left.shift()) {
      try {
        await act(job);
        outcome.done += 1;
      } catch (error) {
        outcome.refused += 1;
        outcome.code ??= asProblem(error).code;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return outcome;
}

/** The same script again in the same project; what was said beside the script is said again as far as the API tells it. */
async function resubmit(job: JobSummary): Promise<void> {
  const path = { params: { path: { job: job.id } } };
  const script = (await unwrap(api.GET('/v1/jobs/{job}/script', { ...path, parseAs: 'text' }))) as string;
  const whole = await unwrap(api.GET('/v1/jobs/{job}', path));
  const body = { script, project: job.project, args: whole.args, script_name: job.name, ...(whole.work_dir && { work_dir: whole.work_dir }) };
  await unwrap(api.POST('/v1/jobs', { body, params: { header: { 'Idempotency-Key': idempotencyKey() } as never } }));
}

async function cancel(jobs: readonly JobSummary[]): Promise<Outcome> {
  const { results } = await unwrap(api.POST('/v1/jobs/cancel', { body: { jobs: jobs.map((job) => job.id) } }));
  const refused = results.filter((one) => one.code);
  const code = refused[0]?.code;
  return { done: results.length - refused.length, refused: refused.length, ...(code && { code }) };
}

const perform = (action: Bulk, jobs: readonly JobSummary[]): Promise<Outcome> => {
  switch (action) {
    case 'cancel':
      return cancel(jobs);
    case 'resubmit':
      return each(jobs, resubmit);
    case 'hold':
      return each(jobs, (job) => unwrap(api.POST('/v1/jobs/{job}/hold', { params: { path: { job: job.id } } })));
    case 'release':
      return each(jobs, (job) => unwrap(api.POST('/v1/jobs/{job}/release', { params: { path: { job: job.id } } })));
  }
};

export function BulkBar({ jobs, onDone }: { jobs: readonly JobSummary[]; onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message } = App.useApp();
  const act = useMutation({
    mutationFn: (action: Bulk) => perform(action, meant(jobs, action)),
    onSuccess: ({ done, refused, code }) => {
      if (refused === 0) void message.success(t('bulk.done', { count: done }));
      else void message.warning(t('bulk.some', { done, refused, why: t(`error.${code ?? ''}`, { defaultValue: code ?? '' }) }));
      onDone();
    },
    onError: (error) => void message.error(t(`error.${asProblem(error).code}`, { defaultValue: asProblem(error).detail })),
    onSettled: () => client.invalidateQueries({ queryKey: ['jobs'] }),
  });
  if (jobs.length === 0) return null;
  return (
    <div className="bulk" role="region" aria-label={t('bulk.title')}>
      <strong>{t('bulk.selected', { count: jobs.length })}</strong>
      {BULK.map((action) => {
        const count = meant(jobs, action).length;
        const asked = action === 'cancel' || action === 'resubmit';
        const button = (
          <Button key={action} size="small" danger={action === 'cancel'} disabled={count === 0 || act.isPending} loading={act.isPending && act.variables === action} onClick={asked ? undefined : () => act.mutate(action)}>
            {t('bulk.act', { what: t(`job.${action}`), count })}
          </Button>
        );
        if (!asked) return button;
        return (
          <Popconfirm key={action} title={t(`bulk.${action}Ask`, { count })} okText={t(`job.${action}`)} cancelText={t('job.cancelKeep')} okButtonProps={{ danger: action === 'cancel' }} disabled={count === 0} onConfirm={() => act.mutate(action)}>
            {button}
          </Popconfirm>
        );
      })}
      <Button size="small" type="text" onClick={onDone}>
        {t('bulk.none')}
      </Button>
    </div>
  );
}

// What is done to many jobs at once, by requests that answer for each: to the chosen ones, or to all that pass the filters.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { App, Button, Popconfirm } from 'antd';
import { useTranslation } from 'react-i18next';

import { api, idempotencyKey, unwrap } from '../api/client';
import { asProblem } from '../api/problem';
import type { JobFilter } from '../api/queries';
import type { JobSummary } from '../api/types';
import { actionsOf, handedIn } from '../lib/jobs';

const BULK = ['cancel', 'hold', 'release', 'resubmit'] as const;
type Bulk = (typeof BULK)[number];
/** Requests for all that pass the filters, a thousand jobs each: as many as `hw cancel` takes. */
const ROUNDS = 100;

/** Those of the chosen to which it is done. */
const meant = (jobs: readonly JobSummary[], action: Bulk): JobSummary[] =>
  action === 'resubmit' ? handedIn(jobs) : jobs.filter((job) => actionsOf(job.state).includes(action));

interface Outcome {
  done: number;
  refused: number;
  /** Code of the first refusal. */
  code?: string;
}

type Which = { jobs: string[] } | { filter: JobFilter };

/** One request; with a filter as many as there are jobs, as long as each changes something. */
async function perform(action: Bulk, which: Which): Promise<Outcome> {
  const outcome: Outcome = { done: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const { results, more } = await unwrap(api.POST('/v1/jobs/bulk', { body: { action, ...which }, params: { header: { 'Idempotency-Key': idempotencyKey() } as never } }));
    const refused = results.filter((one) => one.code);
    const changed = results.filter((one) => one.changed > 0).length;
    outcome.done += results.length - refused.length;
    outcome.refused += refused.length;
    outcome.code ??= refused[0]?.code ?? undefined;
    if (!more || changed === 0) break;
  }
  return outcome;
}

interface Props {
  jobs: readonly JobSummary[];
  /** The filters of the list, when all of its page are chosen and there are more. */
  all?: JobFilter | undefined;
  onDone: () => void;
}

export function BulkBar({ jobs, all, onDone }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message } = App.useApp();
  const act = useMutation({
    mutationFn: ({ action, which }: { action: Bulk; which: Which }) => perform(action, which),
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
        const run = () => act.mutate({ action, which: { jobs: meant(jobs, action).map((job) => job.id) } });
        const button = (
          <Button key={action} size="small" danger={action === 'cancel'} disabled={count === 0 || act.isPending} loading={act.isPending && act.variables.action === action} onClick={asked ? undefined : run}>
            {t('bulk.act', { what: t(`job.${action}`), count })}
          </Button>
        );
        if (!asked) return button;
        return (
          <Popconfirm key={action} title={t(`bulk.${action}Ask`, { count })} okText={t(`job.${action}`)} cancelText={t('job.cancelKeep')} okButtonProps={{ danger: action === 'cancel' }} disabled={count === 0} onConfirm={run}>
            {button}
          </Popconfirm>
        );
      })}
      {all && <AllBar filter={all} busy={act.isPending} onAct={(action) => act.mutate({ action, which: { filter: bare(all) } })} />}
      <Button size="small" type="text" onClick={onDone}>
        {t('bulk.none')}
      </Button>
    </div>
  );
}

/** The filter without its order and page. */
function bare({ sort: _sort, order: _order, cursor: _cursor, limit: _limit, ...filter }: JobFilter): JobFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) as JobFilter;
}

/** The same for all that pass the filters, on this page or not. Submitting thousands again by a slip is not offered. */
function AllBar({ filter, busy, onAct }: { filter: JobFilter; busy: boolean; onAct: (action: Bulk) => void }) {
  const { t } = useTranslation();
  const open = !filter.state || /PENDING|HELD|RUNNING|COMPLETING/.test(filter.state);
  if (!open) return null;
  return (
    <>
      <span className="faint">{t('bulk.allThat')}</span>
      {(['cancel', 'hold', 'release'] as const).map((action) => (
        <Popconfirm key={action} title={t('bulk.allAsk', { what: t(`job.${action}`) })} okText={t(`job.${action}`)} cancelText={t('job.cancelKeep')} okButtonProps={{ danger: action === 'cancel' }} onConfirm={() => onAct(action)}>
          <Button size="small" danger={action === 'cancel'} disabled={busy}>
            {t(`job.${action}`)}
          </Button>
        </Popconfirm>
      ))}
    </>
  );
}

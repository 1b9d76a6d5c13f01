// Nodes of a pool as a heat map: filled as far as they are allocated, their edge says drained or down. One node opens below, with its jobs.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import type { JobSummary, NodeState, Pool } from '../api/types';
import { label } from '../lib/jobs';
import { useFormat } from '../ui/hooks';
import { AmountsText, ErrorNote, Facts, Section } from '../ui/parts';
import { StateTag } from '../ui/state';
import { useAddress, useMayChange } from './address';
import { Tag } from './parts';
import { once, q } from './queries';
import { nodeLoad } from './standing';

export function PoolHeat({ pool }: { pool: Pool }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [search, change] = useAddress();
  const jobs = useQuery(q.running(pool.name)).data?.items ?? [];
  const chosen = search.pool === pool.name ? pool.nodes.find((node) => node.name === search.node) : undefined;
  const title = (
    <>
      {pool.name} <span className="chip">{t(`mode.${pool.mode}`)}</span> {pool.chip && <span className="chip">{pool.chip}</span>}
    </>
  );
  return (
    <Section title={title} aside={<span className="faint">{t('opCluster.nodesUp', { up: pool.nodes_up, total: pool.nodes_total })}</span>}>
      <div className="heat" role="group" aria-label={t('opCluster.heat', { pool: pool.name })}>
        {pool.nodes.map((node) => {
          const part = nodeLoad(pool, node.name, jobs);
          const words = `${node.name}: ${t(`node.${node.state}`)}, ${format.number(part * 100, 0)} %`;
          return (
            <button
              key={node.name}
              type="button"
              className={`heat-node heat-${node.state}`}
              title={words}
              aria-label={words}
              aria-pressed={node === chosen}
              onClick={() => change(node === chosen ? { pool: undefined, node: undefined } : { pool: pool.name, node: node.name })}
            >
              <span style={{ height: `${part * 100}%` }} />
            </button>
          );
        })}
      </div>
      <div className="heat-key" aria-hidden="true">
        <span><span className="heat-node heat-up"><span style={{ height: '60%' }} /></span>{t('opCluster.keyLoad')}</span>
        <span><span className="heat-node heat-drained" />{t('node.drained')}</span>
        <span><span className="heat-node heat-down" />{t('node.down')}</span>
      </div>
      {chosen && <NodePanel pool={pool} node={chosen.name} state={chosen.state} jobs={jobs.filter((job) => job.nodes.includes(chosen.name))} />}
      <Forecast pool={pool} />
    </Section>
  );
}

function NodePanel({ pool, node, state, jobs }: { pool: Pool; node: string; state: NodeState; jobs: readonly JobSummary[] }) {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (to: NodeState) => unwrap(api.POST('/v1/pools/{pool}/nodes/{node}', { params: { path: { pool: pool.id, node }, header: once() }, body: { state: to } })),
    onSuccess: () => void client.invalidateQueries({ queryKey: ['pools'] }),
  });
  const acts = (['drained', 'up', 'down'] as const).filter((to) => to !== state);
  const names = { drained: t('opCluster.drain'), up: t('opCluster.resume'), down: t('opCluster.takeDown') };
  return (
    <div className="node-panel">
      <h3>
        {node} <Tag tone={state === 'up' ? 'good' : state === 'drained' ? 'wait' : 'bad'}>{t(`node.${state}`)}</Tag>
      </h3>
      <Facts items={[[t('pools.perNode'), <AmountsText key="shape" amounts={pool.shape} chip={pool.chip ?? undefined} />]]} />
      {mayChange && (
        <div className="op-actions">
          {acts.map((to) => (
            <button key={to} type="button" className={to === 'down' ? 'button button-danger' : 'button'} disabled={change.isPending} onClick={() => change.mutate(to)}>
              {names[to]}
            </button>
          ))}
        </div>
      )}
      {change.error && <ErrorNote error={change.error} />}
      {jobs.length === 0 ? (
        <p className="faint">{t('opCluster.nodeIdle')}</p>
      ) : (
        <ul className="lines">
          {jobs.map((job) => (
            <li key={job.id} className="line">
              <div className="line-head">
                <StateTag state={job.state} />
                <Link to="/jobs/$job" params={{ job: label(job) }} className="line-link">
                  <span className="mono faint">{label(job)}</span> <strong>{job.name}</strong>
                </Link>
                <span className="line-end">{`${job.tenant_name} › ${job.user_name}`}</span>
              </div>
              <div className="line-text">
                <AmountsText amounts={job.requested} chip={job.requested.chips[0]} />
              </div>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Forecast against actual start times, where the platform has seen enough. */
function Forecast({ pool }: { pool: Pool }) {
  const { t } = useTranslation();
  const format = useFormat();
  const starts = pool.quality?.starts;
  if ((!starts || starts.count === 0) && !pool.forecast) return null;
  return (
    <div className="node-panel">
      <Facts
        items={[
          [t('opCluster.forecastWait'), pool.forecast && t('opCluster.forecastSeen', { wait: format.span(pool.forecast.wait_seconds), count: pool.forecast.told })],
          [t('opCluster.forecastStarts'), starts && starts.count > 0 && t('opCluster.forecastErrors', { count: starts.count, mean: format.span(starts.mean_absolute_millis / 1000), bias: format.span(starts.bias_millis / 1000) })],
        ]}
      />
    </div>
  );
}

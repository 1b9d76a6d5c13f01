// Pools: what each has, what is free, what it costs, how its nodes are.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { clustersQuery, poolsQuery, sessionQuery } from '../api/queries';
import type { Pool } from '../api/types';
import { useFormat, useTitle } from '../ui/hooks';
import { AmountsText, Empty, ErrorNote, Facts, Loading, PageHead, Section } from '../ui/parts';
import { PoolRoom } from '../ui/pool-room';

/** Nodes named one by one; more are counted. */
const NODES_SHOWN = 48;

export function PoolsPage() {
  const { t } = useTranslation();
  useTitle(t('pools.title'));
  const pools = useQuery(poolsQuery);
  return (
    <>
      <PageHead title={t('pools.title')} />
      {pools.error && !pools.data ? (
        <ErrorNote error={pools.error} onRetry={() => void pools.refetch()} />
      ) : !pools.data ? (
        <Section>
          <Loading lines={6} />
        </Section>
      ) : pools.data.items.length === 0 ? (
        <Section>
          <Empty title={t('pools.emptyTitle')}>
            <p>{t('pools.emptyText')}</p>
          </Empty>
        </Section>
      ) : (
        <div className="pools">
          {pools.data.items.map((pool) => (
            <PoolPanel key={pool.id} pool={pool} />
          ))}
          <ClusterRemarks />
        </div>
      )}
    </>
  );
}

/** What clusters say of themselves, for those who run them; nothing to say shows nothing. */
function ClusterRemarks() {
  const { t } = useTranslation();
  const role = useQuery(sessionQuery).data?.user.role;
  const clusters = useQuery({ ...clustersQuery, enabled: role === 'operator' || role === 'auditor' });
  const telling = (clusters.data?.items ?? []).filter((cluster) => cluster.remarks.length > 0);
  if (telling.length === 0) return null;
  return (
    <Section title={t('pools.clusterRemarks')}>
      {telling.map((cluster) => (
        <div key={cluster.id}>
          <h3>
            {cluster.name} {cluster.version && <span className="chip">{cluster.version}</span>}
          </h3>
          <Remarks remarks={cluster.remarks} />
        </div>
      ))}
    </Section>
  );
}

function Remarks({ remarks }: { remarks: string[] }) {
  return (
    <ul>
      {remarks.map((remark) => (
        <li key={remark} lang="en">
          {remark}
        </li>
      ))}
    </ul>
  );
}

function PoolPanel({ pool }: { pool: Pool }) {
  const { t } = useTranslation();
  const format = useFormat();
  const title = (
    <>
      {pool.name} <span className="chip">{t(`mode.${pool.mode}`)}</span> {pool.chip && <span className="chip">{pool.chip}</span>}
    </>
  );
  const nodesDown = pool.nodes_up < pool.nodes_total;
  return (
    <Section title={title}>
      <PoolRoom pool={pool} />
      <p className="pool-line">
        <span className={nodesDown ? 'warn-text' : undefined}>{t('pools.nodesUp', { up: pool.nodes_up, total: pool.nodes_total })}</span>
        {pool.running_jobs != null && (
          <Link to="/jobs" search={{ view: 'running', pool: pool.name }}>
            {t('pools.running', { count: pool.running_jobs })}
          </Link>
        )}
      </p>
      <Facts
        items={[
          [t('pools.cluster'), pool.cluster_name],
          [t('pools.perNode'), <AmountsText key="shape" amounts={pool.shape} chip={pool.chip ?? undefined} />],
          [t('pools.price'), <Price key="price" pool={pool} />],
          [t('pools.limit'), pool.time_limit_max_seconds ? format.span(pool.time_limit_max_seconds) : t('pools.noLimit')],
        ]}
      />
      {pool.nodes.length > 1 || nodesDown ? <Nodes pool={pool} /> : null}
      {pool.remarks.length > 0 && (
        <details className="remarks">
          <summary>{t('pools.remarks')}</summary>
          <Remarks remarks={pool.remarks} />
        </details>
      )}
      <p>
        <Link to="/submit" search={{ pool: pool.name }}>
          {t('pools.submitHere')}
        </Link>
      </p>
    </Section>
  );
}

function Price({ pool }: { pool: Pool }) {
  const { t } = useTranslation();
  const format = useFormat();
  const price = pool.price;
  if (!price) return <span className="faint">{t('pools.noPrice')}</span>;
  const parts: [string, string | null | undefined][] = [
    [t('pools.perCore'), price.core_hour],
    [t('pools.perGib'), price.gib_hour],
    [t('pools.perCard'), price.card_hour],
  ];
  return (
    <span className="amounts">
      {parts.map(([unit, amount]) => amount && <span key={unit}>{`${format.money(amount, price.currency)} / ${unit}`}</span>)}
    </span>
  );
}

function Nodes({ pool }: { pool: Pool }) {
  const { t } = useTranslation();
  // Those that need attention first.
  const nodes = [...pool.nodes].sort((a, b) => Number(a.state === 'up') - Number(b.state === 'up') || a.name.localeCompare(b.name));
  const hidden = Math.max(0, pool.nodes_total - NODES_SHOWN);
  return (
    <details className="remarks" open={pool.nodes_up < pool.nodes_total}>
      <summary>{t('pools.nodes')}</summary>
      <ul className="nodes">
        {nodes.slice(0, NODES_SHOWN).map((node) => (
          <li key={node.name} className={`node node-${node.state}`}>
            <span className="mono">{node.name}</span> <span>{t(`node.${node.state}`)}</span>
          </li>
        ))}
        {hidden > 0 && <li className="faint">{t('pools.nodesMore', { count: hidden })}</li>}
      </ul>
    </details>
  );
}

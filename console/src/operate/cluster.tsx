// One cluster: how it is reached, its nodes as a heat map down to one node and its jobs, what checks and trials found.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { Facts, PageHead, Section } from '../ui/parts';
import { useMayChange } from './address';
import { HealthTag, ServiceTag } from './clusters';
import { ActButton, FormDialog } from './form';
import { PoolHeat } from './heat';
import { PlaceFact } from './place-fact';
import { Answer, When } from './parts';
import { CALM_MS, once, q, type Schemas } from './queries';
import { Reports } from './reports';

export function ClusterPage() {
  const { t } = useTranslation();
  const { cluster: name } = useParams({ from: '/shell/operate/clusters/$cluster' });
  useTitle(name);
  const cluster = useQuery({ ...q.cluster(name), refetchInterval: CALM_MS });
  const pools = useQuery(q.pools);
  const mayChange = useMayChange();
  return (
    <>
      <p className="op-crumb">
        <Link to="/operate/clusters">{t('opCluster.title')}</Link>
      </p>
      <PageHead title={name}>{mayChange && cluster.data?.link && <ServiceActions cluster={cluster.data} />}</PageHead>
      <Answer query={cluster} lines={8}>
        {(data) => (
          <div className="op-stack">
            <Standing cluster={data} />
            {(pools.data?.items ?? [])
              .filter((pool) => pool.cluster === data.id)
              .map((pool) => (
                <PoolHeat key={pool.id} pool={pool} />
              ))}
            {data.link && <Reports cluster={data.name} mayChange={mayChange} />}
          </div>
        )}
      </Answer>
    </>
  );
}

function Standing({ cluster }: { cluster: Schemas['ClusterDetail'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { link } = cluster;
  return (
    <Section title={<><HealthTag health={cluster.health} /> <ServiceTag service={cluster.service} /></>}>
      {link?.error && (
        <div className="note note-bad" role="alert">
          <div>
            <strong>{t('opCluster.wayFails')}</strong>
            <p lang="en">{link.error}</p>
          </div>
        </div>
      )}
      <div className="op-two">
        <Facts
          items={[
            [t('opCluster.kind'), t(`opCluster.backend.${cluster.backend}`)],
            [t('opCluster.version'), cluster.version],
            [t('opCluster.supplier'), cluster.supplier_name],
            [t('opCluster.site'), cluster.site],
            [t('opCluster.place'), <PlaceFact key="place" cluster={cluster} />],
            [t('opCluster.machine'), cluster.machine && <code>{cluster.machine}</code>],
            [t('opCluster.tried'), cluster.tried_at && <When key="tried" at={cluster.tried_at} />],
          ]}
        />
        <Facts
          items={[
            [t('opCluster.contact'), cluster.last_contact && <When key="contact" at={cluster.last_contact} />],
            [t('opCluster.lag'), cluster.lag_millis != null && t('opCluster.millis', { n: format.number(cluster.lag_millis) })],
            [t('opCluster.way'), link?.way],
            [t('opCluster.clock'), link?.clock_offset_seconds != null && format.span(link.clock_offset_seconds)],
            [t('opCluster.runningThere'), link?.running != null && format.number(link.running)],
            [t('opCluster.waitingThere'), link?.waiting != null && format.number(link.waiting)],
          ]}
        />
      </div>
      {cluster.remarks.length > 0 && (
        <details className="remarks">
          <summary>{t('opCluster.remarks', { count: cluster.remarks.length })}</summary>
          <ul>
            {cluster.remarks.map((remark) => (
              <li key={remark} lang="en">{remark}</li>
            ))}
          </ul>
        </details>
      )}
    </Section>
  );
}

/** Into service, back to testing, out of it. */
export function ServiceActions({ cluster }: { cluster: Pick<Schemas['ClusterDetail'], 'name' | 'service' | 'tried_at'> }) {
  const { t } = useTranslation();
  const targets = (['in_service', 'testing', 'retired'] as const).filter((service) => service !== cluster.service);
  return (
    <div className="op-actions">
      {targets.map((service) => (
        <ActButton key={service} words={t(`opCluster.to.${service}`)} primary={service === 'in_service'}>
          {(close) => (
            <FormDialog
              title={t(`opCluster.to.${service}`)}
              fields={service === 'in_service' && !cluster.tried_at ? [{ name: 'force', label: t('opCluster.force'), kind: 'check' }] : []}
              act={t(`opCluster.to.${service}`)}
              danger={service === 'retired'}
              onClose={close}
              send={(values) => unwrap(api.POST('/v1/clusters/{cluster}/service', { params: { path: { cluster: cluster.name }, header: once() }, body: { service, force: values.force === '1' } }))}
            >
              <p>{t(`opCluster.toText.${service}`, { cluster: cluster.name })}</p>
            </FormDialog>
          )}
        </ActButton>
      ))}
    </div>
  );
}

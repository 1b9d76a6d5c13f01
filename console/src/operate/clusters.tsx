// All clusters with how each is doing, and the sites whose agents dial in.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import type { Pool } from '../api/types';
import { useFormat, useTitle } from '../ui/hooks';
import { Empty, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useMayChange } from './address';
import { filled, FormDialog, ActButton } from './form';
import { Answer, Once, Tag, type Tone, When } from './parts';
import { CALM_MS, q, type Schemas } from './queries';
import { load } from './standing';

export function ClustersPage() {
  const { t } = useTranslation();
  useTitle(t('opCluster.title'));
  const clusters = useQuery({ ...q.clusters, refetchInterval: CALM_MS });
  const pools = useQuery(q.pools);
  const mayChange = useMayChange();
  return (
    <>
      <PageHead title={t('opCluster.title')}>
        {mayChange && <ActButton words={t('opCluster.enrol')}>{(close) => <EnrolDialog onClose={close} />}</ActButton>}
        {mayChange && (
          <Link to="/operate/clusters/register" className="button button-primary">
            {t('opCluster.register')}
          </Link>
        )}
      </PageHead>
      <div className="op-stack">
        <Section flush>
          <Answer query={clusters} lines={6}>
            {(page) =>
              page.items.length === 0 ? (
                <Empty title={t('opCluster.none')}>
                  <p>{t('opCluster.noneText')}</p>
                </Empty>
              ) : (
                <ClusterTable clusters={page.items} pools={pools.data?.items ?? []} />
              )
            }
          </Answer>
        </Section>
        <Sites />
      </div>
    </>
  );
}

const SERVICE_TONES: Record<Schemas['ClusterService'], Tone> = { in_service: 'good', testing: 'wait', retired: 'off' };

export function ServiceTag({ service }: { service: Schemas['ClusterService'] | undefined }) {
  const { t } = useTranslation();
  return service ? <Tag tone={SERVICE_TONES[service]}>{t(`opCluster.service.${service}`)}</Tag> : null;
}

export function HealthTag({ health }: { health: Schemas['ClusterHealth'] }) {
  const { t } = useTranslation();
  return <Tag tone={health === 'reachable' ? 'good' : 'bad'}>{t(`opCluster.health.${health}`)}</Tag>;
}

function ClusterTable({ clusters, pools }: { clusters: readonly Schemas['Cluster'][]; pools: readonly Pool[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const of = (cluster: Schemas['Cluster']) => pools.filter((pool) => pool.cluster === cluster.id);
  const columns: Column<Schemas['Cluster']>[] = [
    { key: 'name', title: t('opCluster.name'), card: 'head', cell: (c) => <Link to="/operate/clusters/$cluster" params={{ cluster: c.name }} className="row-link">{c.name}</Link> },
    { key: 'health', title: t('opCluster.state'), card: 'head-end', cell: (c) => <span className="chips"><HealthTag health={c.health} />{c.service !== 'in_service' && <ServiceTag service={c.service} />}</span> },
    { key: 'kind', title: t('opCluster.kind'), cell: (c) => t(`opCluster.backend.${c.backend}`) },
    { key: 'supplier', title: t('opCluster.supplier'), cell: (c) => c.supplier_name },
    { key: 'site', title: t('opCluster.site'), cell: (c) => <span className="short-id" title={c.site}>{c.site}</span> },
    { key: 'nodes', title: t('opCluster.nodes'), align: 'right', cell: (c) => <Nodes pools={of(c)} /> },
    { key: 'load', title: t('opCluster.load'), align: 'right', cell: (c) => (of(c).length === 0 ? '–' : of(c).map((pool) => `${format.number(load(pool) * 100, 0)} %`).join(' · ')) },
    { key: 'contact', title: t('opCluster.contact'), cell: (c) => c.last_contact && <When at={c.last_contact} /> },
    { key: 'lag', title: t('opCluster.lag'), align: 'right', cell: (c) => c.lag_millis != null && t('opCluster.millis', { n: format.number(c.lag_millis) }) },
  ];
  return <DataTable columns={columns} rows={clusters} rowKey={(c) => c.id} rowClass={() => 'is-link'} caption={t('opCluster.title')} />;
}

function Nodes({ pools }: { pools: readonly Pool[] }) {
  const format = useFormat();
  const [up, total] = [pools.reduce((n, pool) => n + pool.nodes_up, 0), pools.reduce((n, pool) => n + pool.nodes_total, 0)];
  return <span className={up < total ? 'warn-text' : undefined}>{`${format.number(up)} / ${format.number(total)}`}</span>;
}

const SITE_TONES: Record<Schemas['SiteState'], Tone> = { invited: 'wait', connected: 'good', away: 'bad', closed: 'off' };

function Sites() {
  const { t } = useTranslation();
  const sites = useQuery({ ...q.sites, refetchInterval: CALM_MS });
  const mayChange = useMayChange();
  if (sites.data?.items.length === 0) return null;
  const columns: (Column<Schemas['Site']> | false)[] = [
    { key: 'name', title: t('opCluster.name'), card: 'head', cell: (s) => <strong>{s.name}</strong> },
    { key: 'state', title: t('opCluster.state'), card: 'head-end', cell: (s) => <Tag tone={SITE_TONES[s.state]}>{t(`opCluster.siteState.${s.state}`)}</Tag> },
    { key: 'machine', title: t('opCluster.machine'), cell: (s) => s.machine },
    { key: 'software', title: t('opCluster.software'), cell: (s) => s.software },
    { key: 'address', title: t('opCluster.address'), cell: (s) => s.address && <span className="mono">{s.address}</span> },
    { key: 'seen', title: t('opCluster.contact'), cell: (s) => (s.last_seen ? <When at={s.last_seen} /> : s.token_expires_at ? <span>{t('opCluster.tokenUntil')} <When at={s.token_expires_at} /></span> : null) },
    { key: 'waiting', title: t('opCluster.eventsWaiting'), align: 'right', cell: (s) => s.events_waiting },
    mayChange && { key: 'act', title: '', align: 'right', cell: (s) => s.state !== 'closed' && <ActButton words={t('opCluster.revoke')} small>{(close) => <RevokeDialog site={s.name} onClose={close} />}</ActButton> },
  ];
  return (
    <Section title={t('opCluster.sites')} flush>
      <Answer query={sites}>{(page) => <DataTable columns={columns} rows={page.items} rowKey={(s) => s.name} caption={t('opCluster.sites')} />}</Answer>
    </Section>
  );
}

function RevokeDialog({ site, onClose }: { site: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormDialog title={t('opCluster.revokeTitle', { site })} fields={[]} act={t('opCluster.revoke')} danger onClose={onClose} send={() => unwrap(api.POST('/v1/sites/{site}/revoke', { params: { path: { site } } }))}>
      <p>{t('opCluster.revokeText')}</p>
    </FormDialog>
  );
}

function EnrolDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const backends = (['local', 'slurm'] as const).map((value) => ({ value, label: t(`opCluster.backend.${value}`) }));
  return (
    <FormDialog
      title={t('opCluster.enrol')}
      act={t('opCluster.makeToken')}
      onClose={onClose}
      fields={[
        { name: 'name', label: t('opCluster.siteName'), required: true, hint: t('opCluster.nameHint') },
        { name: 'supplier', label: t('opCluster.supplier'), hint: t('opCluster.supplierHint') },
        { name: 'backend', label: t('opCluster.kind'), kind: 'select', options: backends },
        { name: 'testing', label: t('opCluster.testFirst'), kind: 'check' },
      ]}
      send={(values) => unwrap(api.POST('/v1/sites', { body: { name: values.name ?? '', backend: values.backend === 'slurm' ? 'slurm' : 'local', testing: values.testing === '1', ...filled(values, 'supplier') } }))}
      done={(answer) => <Enrolled site={answer as Schemas['SiteEnrolled']} />}
    >
      <p className="faint">{t('opCluster.enrolText')}</p>
    </FormDialog>
  );
}

function Enrolled({ site }: { site: Schemas['SiteEnrolled'] }) {
  const { t } = useTranslation();
  return (
    <>
      <p>{t('opCluster.enrolledText', { site: site.name })}</p>
      <Once label={t('opCluster.command')} text={site.command} />
      <Once label={t('opCluster.token')} text={site.token} />
      <p className="faint">
        {t('opCluster.tokenUntil')} <When at={site.expires_at} />
      </p>
    </>
  );
}

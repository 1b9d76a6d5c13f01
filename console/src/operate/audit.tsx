// Who changed what, newest first; the server looks for words, users, tenants, kinds and days in all of it.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { type OperateSearch, useAddress } from './address';
import { dayEnd, dayStart, KINDS } from './found';
import { Choice, PagedTable, ServerSearch, When } from './parts';
import { useTenantOptions } from './pick';
import { type AuditSearch, q, type Schemas } from './queries';

type Entry = Schemas['AuditEntry'];

const wanted = (search: OperateSearch): AuditSearch => ({
  ...(search.q ? { q: search.q } : {}),
  ...(search.user ? { user: search.user } : {}),
  ...(search.tenant ? { tenant: search.tenant } : {}),
  ...(search.only ? { action: search.only } : {}),
  ...(search.from ? { after: dayStart(search.from) } : {}),
  ...(search.to ? { before: dayEnd(search.to) } : {}),
});

export function AuditPage() {
  const { t } = useTranslation();
  useTitle(t('opPeople.audit'));
  const [search] = useAddress();
  const entries = useQuery(q.audit(wanted(search), search.cursor));
  const columns: Column<Entry>[] = [
    { key: 'at', title: t('opPeople.at'), card: 'head', cell: (row) => <When at={row.at} /> },
    { key: 'who', title: t('opPeople.who'), card: 'head-end', cell: (row) => row.actor.name ?? <span className="faint">{t(`opPeople.actor.${row.actor.kind}`, { defaultValue: row.actor.kind })}</span> },
    { key: 'action', title: t('opPeople.action'), cell: (row) => <span className="mono">{row.action}</span> },
    { key: 'target', title: t('opPeople.target'), cell: (row) => <span className="mono short-id" title={row.target}>{row.target}</span> },
    { key: 'detail', title: t('opPeople.detail'), className: 'wrap-cell', cell: (row) => <span lang="en">{row.detail}</span> },
  ];
  return (
    <>
      <PageHead title={t('opPeople.audit')} />
      <Narrow />
      <Section flush>
        <PagedTable query={entries} columns={columns} rowKey={(row) => String(row.seq)} caption={t('opPeople.audit')} empty={{ title: t('opPeople.noEntries') }} />
      </Section>
    </>
  );
}

function Narrow() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const tenants = useTenantOptions();
  const date = (name: 'from' | 'to', words: string) => (
    <label className="op-inline">
      <span>{words}</span>
      <input type="date" className="field" value={search[name] ?? ''} max="9999-12-31" onChange={(event) => change({ [name]: event.target.value || undefined })} />
    </label>
  );
  return (
    <div className="op-bar">
      <ServerSearch label={t('opPeople.search')} />
      <Choice label={t('opPeople.action')} value={search.only ?? ''} options={[{ value: '', label: t('opPeople.anyAction') }, ...KINDS.map((kind) => ({ value: kind, label: t(`opPeople.kinds.${kind}`) }))]} onChange={(only) => change({ only: only || undefined })} />
      <ServerSearch label={t('opPeople.byUser')} name="user" />
      <Choice label={t('opPeople.tenant')} value={search.tenant ?? ''} options={[{ value: '', label: t('opPeople.allTenants') }, ...tenants]} onChange={(tenant) => change({ tenant: tenant || undefined })} />
      {date('from', t('op.period.from'))}
      {date('to', t('op.period.to'))}
    </div>
  );
}

// Who changed what, newest first; the field narrows the page that is shown.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { useAddress } from './address';
import { found } from './found';
import { PagedTable, SearchField, When } from './parts';
import { q, type Schemas } from './queries';

type Entry = Schemas['AuditEntry'];

export function AuditPage() {
  const { t } = useTranslation();
  useTitle(t('opPeople.audit'));
  const [search] = useAddress();
  const entries = useQuery(q.audit(search.cursor));
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
      <div className="op-bar">
        <SearchField label={t('opPeople.searchPage')} />
      </div>
      <Section flush>
        <PagedTable query={entries} columns={columns} rowKey={(row) => String(row.seq)} caption={t('opPeople.audit')} empty={{ title: t('opPeople.noEntries') }} {...(search.q ? { only: (row: Entry) => found(row, search.q ?? '') } : {})} />
      </Section>
    </>
  );
}

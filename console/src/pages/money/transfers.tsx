// Movements of the wallet, the newest first, a page at a time.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { transfersQuery } from '../../api/money';
import type { Transfer } from '../../api/types';
import { useFormat } from '../../ui/hooks';
import { Pager } from '../../ui/pager';
import { Empty, Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { Listed, MoneyFrame, useMe } from './frame';

const route = getRouteApi('/shell/money/transfers');

export function TransfersPage() {
  const { t } = useTranslation();
  const { cursor } = route.useSearch();
  const tenant = useMe()?.tenant ?? '';
  const transfers = useQuery(transfersQuery(tenant, cursor));
  const none = (
    <Empty title={t('transfer.noneTitle')}>
      <p>{t('transfer.noneText')}</p>
    </Empty>
  );
  return (
    <MoneyFrame title={t('money.transfers')}>
      <Section flush>
        <Listed query={transfers} none={none} lines={8}>
          {(items) => (
            <div className={transfers.isPlaceholderData ? 'is-stale' : undefined}>
              <TransferTable transfers={items} />
            </div>
          )}
        </Listed>
      </Section>
      <Pager to="/money/transfers" cursor={cursor} next={transfers.data?.next_cursor ?? undefined} />
    </MoneyFrame>
  );
}

function TransferTable({ transfers }: { transfers: Transfer[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const columns: Column<Transfer>[] = [
    { key: 'at', title: t('transfer.at'), card: 'head', className: 'nowrap', cell: (one) => <time dateTime={one.at}>{format.fullTime(one.at)}</time> },
    { key: 'reason', title: t('transfer.reason'), cell: (one) => t(`transferReason.${one.reason}`, { defaultValue: one.reason }) },
    {
      key: 'what',
      title: t('transfer.what'),
      cell: (one) => (
        <span className="transfer-what">
          {one.job && (
            <Link to="/jobs/$job" params={{ job: one.job }}>
              {t('transfer.job')}
            </Link>
          )}
          {one.from && one.to && <span className="faint">{`${format.fullTime(one.from)} – ${format.fullTime(one.to)}`}</span>}
          {one.memo && <span>{one.memo}</span>}
        </span>
      ),
    },
    {
      key: 'amount',
      title: t('transfer.amount'),
      align: 'right',
      card: 'head-end',
      cell: (one) => <span className={one.amount.startsWith('-') ? undefined : 'good-text'}>{`${one.amount.startsWith('-') ? '' : '+'}${format.money(one.amount, one.currency)}`}</span>,
    },
  ];
  return <DataTable caption={t('money.transfers')} columns={columns} rows={transfers} rowKey={(one) => one.id} />;
}

// One contract with its months: what was paid, drawn, earned, and what lapsed.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { Facts, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useMayChange } from './address';
import { ContractTag } from './contracts';
import { ActButton, FormDialog } from './form';
import { Amount, Answer, When } from './parts';
import { once, q, type Schemas } from './queries';

export function ContractPage() {
  const { t } = useTranslation();
  const { contract: number } = useParams({ from: '/shell/operate/business/contracts/$contract' });
  const title = t('opBiz.contractTitle', { number });
  useTitle(title);
  const detail = useQuery(q.contract(number));
  const mayChange = useMayChange();
  const open = detail.data && detail.data.contract.state !== 'over' && !detail.data.contract.broken_off;
  return (
    <>
      <p className="op-crumb">
        <Link to="/operate/business/contracts">{t('op.nav.contracts')}</Link>
      </p>
      <PageHead title={title}>{mayChange && open && <ActButton words={t('opBiz.breakOff')}>{(close) => <EndDialog number={number} onClose={close} />}</ActButton>}</PageHead>
      <Answer query={detail} lines={8}>
        {(data) => (
          <div className="op-stack">
            <Terms contract={data.contract} />
            <Section title={t('opBiz.months')} flush>
              <Months months={data.months} currency={data.contract.currency} />
            </Section>
          </div>
        )}
      </Answer>
    </>
  );
}

function EndDialog({ number, onClose }: { number: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormDialog
      title={t('opBiz.breakOff')}
      act={t('opBiz.breakOff')}
      danger
      onClose={onClose}
      fields={[{ name: 'note', label: t('opBiz.note'), wide: true }]}
      send={(values) => unwrap(api.POST('/v1/contracts/{contract}/end', { params: { path: { contract: number as never }, header: once() }, body: { note: values.note ?? '' } }))}
    >
      <p>{t('opBiz.breakOffText')}</p>
    </FormDialog>
  );
}

function Terms({ contract }: { contract: Schemas['Contract'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const money = (value: string) => format.money(value, contract.currency);
  const size = (commit: Schemas['Commitment']) => (commit.held != null ? t('opBiz.held', { n: commit.held }) : t('opBiz.hoursOf', { n: format.number(commit.hours ?? 0) }));
  return (
    <Section title={<>{contract.name} <ContractTag state={contract.state} /></>}>
      <div className="op-two">
        <Facts
          items={[
            [t('opBiz.by.tenant'), <Link key="tenant" to="/operate/tenants/$tenant" params={{ tenant: contract.tenant_name }}>{contract.tenant_name}</Link>],
            [t('opBiz.tier'), t(`opPeople.tier.${contract.tier}`)],
            [t('op.period.from'), format.fullTime(contract.from)],
            [t('op.period.to'), format.fullTime(contract.to)],
            [t('opBiz.brokenOff'), contract.broken_off && format.fullTime(contract.broken_off)],
          ]}
        />
        <Facts
          items={[
            [t('opBiz.feeMonth'), money(contract.fee)],
            [t('opBiz.unusedHours'), contract.unused === 'carry' ? t('opBiz.carry') : t('opBiz.lapse')],
            [t('opBiz.earlyEnd'), contract.early_end],
            ...contract.commit.map((commit): [string, string] => [t(`opBiz.priceUnit.${commit.unit}`), [commit.chip ?? commit.pool, size(commit), money(commit.fee)].filter(Boolean).join(' · ')]),
          ]}
        />
      </div>
    </Section>
  );
}

function Months({ months, currency }: { months: readonly Schemas['ContractMonth'][]; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const amount = (pick: (row: Schemas['ContractMonth']) => string) => (row: Schemas['ContractMonth']) => <Amount value={pick(row)} currency={currency} />;
  const columns: Column<Schemas['ContractMonth']>[] = [
    { key: 'month', title: t('opBiz.by.month'), card: 'head', cell: (row) => row.month },
    { key: 'line', title: t('opBiz.line_'), cell: (row) => (row.line === 0 ? t('opBiz.ownFee') : t('opBiz.commitmentNo', { n: row.line })) },
    { key: 'fee', title: t('opBiz.fee'), align: 'right', cell: amount((row) => row.fee) },
    { key: 'hours', title: t('opBiz.hoursPaid'), align: 'right', cell: (row) => row.hours && format.number(Number(row.hours)) },
    { key: 'drawn', title: t('opBiz.hoursDrawn'), align: 'right', cell: (row) => row.drawn_hours && format.number(Number(row.drawn_hours)) },
    { key: 'earned', title: t('opBiz.earned'), align: 'right', cell: amount((row) => row.earned) },
    { key: 'lapsed', title: t('opBiz.lapsed'), align: 'right', cell: amount((row) => row.lapsed) },
    { key: 'carried', title: t('opBiz.carriedOn'), align: 'right', cell: amount((row) => row.carried_on) },
    { key: 'closed', title: t('opBiz.closed'), cell: (row) => row.closed_at && <When at={row.closed_at} /> },
  ];
  return months.length === 0 ? <p className="pad faint">{t('opBiz.noMonths')}</p> : <DataTable columns={columns} rows={months} rowKey={(row) => `${row.month} ${row.line} ${row.carried}`} caption={t('opBiz.months')} />;
}

// A tenant's contracts: their term and fee, and of what is committed how much of this month is drawn.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { contractQuery, contractsQuery } from '../../api/money';
import type { Commitment, Contract, ContractMonth } from '../../api/types';
import { part } from '../../lib/decimal';
import { useFormat, useNow } from '../../ui/hooks';
import { ErrorNote, Loading, Section } from '../../ui/parts';
import { Listed } from './frame';

export function Contracts({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const contracts = useQuery(contractsQuery(tenant));
  return (
    <Section title={t('contract.title')}>
      <Listed query={contracts} none={<p className="faint">{t('contract.none')}</p>}>
        {(items) => (
          <ul className="rows">
            {items.map((contract) => (
              <ContractRow key={contract.number} contract={contract} />
            ))}
          </ul>
        )}
      </Listed>
    </Section>
  );
}

function ContractRow({ contract }: { contract: Contract }) {
  const { t } = useTranslation();
  const format = useFormat();
  const live = contract.state !== 'over';
  const [open, setOpen] = useState(live);
  return (
    <li className={live ? 'row' : 'row is-over'}>
      <div className="row-head">
        <strong>{contract.name}</strong>
        <span className="faint">{t('contract.number', { number: contract.number })}</span>
        <span className={contract.state === 'unpaid' ? 'row-end bad-text' : 'row-end'}>{t(`contractState.${contract.state}`)}</span>
      </div>
      <div className="row-facts">
        <span>{t('money.fromTo', { from: format.day(contract.from), to: format.dayBefore(contract.to) })}</span>
        <span>{t('contract.fee', { fee: format.money(contract.fee, contract.currency) })}</span>
        <span>{t(`unused.${contract.unused}`)}</span>
      </div>
      <details className="remarks" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{t('contract.months')}</summary>
        {open && <Months contract={contract} />}
      </details>
    </li>
  );
}

function Months({ contract }: { contract: Contract }) {
  const { t } = useTranslation();
  const now = useNow(60_000);
  const detail = useQuery(contractQuery(contract.number));
  if (detail.error && !detail.data) return <ErrorNote error={detail.error} onRetry={() => void detail.refetch()} />;
  if (!detail.data) return <Loading lines={2} />;
  const within = (month: ContractMonth) => new Date(month.from).getTime() <= now && now < new Date(month.to).getTime();
  const { months } = detail.data;
  const lines = months.filter((month) => month.line > 0);
  const present = lines.filter(within);
  // A contract that is over shows its last month, one that is to begin its first.
  const shown = present.length > 0 ? present : lines.slice(-contract.commit.length);
  if (shown.length === 0) {
    return (
      <ul>
        {contract.commit.map((commitment, at) => (
          <li key={at}>
            <Committed commitment={commitment} />
          </li>
        ))}
        {contract.commit.length === 0 && <li className="faint">{t('contract.nothingCommitted')}</li>}
      </ul>
    );
  }
  return (
    <ul className="rows">
      {shown.map((month) => (
        <MonthRow key={`${month.line} ${month.month} ${month.carried}`} month={month} commitment={contract.commit[month.line - 1]} currency={contract.currency} />
      ))}
    </ul>
  );
}

function Committed({ commitment }: { commitment: Commitment }) {
  const { t } = useTranslation();
  const format = useFormat();
  const what = [t(`unit.${commitment.unit}`), commitment.chip, commitment.pool, commitment.product && t(`line.${commitment.product}`), commitment.class && t(`class.${commitment.class}`)].filter(Boolean).join(' · ');
  const amount =
    commitment.held != null ? t('contract.held', { n: format.number(commitment.held) }) : t('contract.hours', { n: format.number(commitment.hours ?? 0) });
  return <span>{`${what}: ${amount}`}</span>;
}

function MonthRow({ month, commitment, currency }: { month: ContractMonth; commitment: Commitment | undefined; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const drawn = month.drawn_hours ?? '0';
  const hours = month.hours ?? '0';
  const number = (text: string) => format.number(Number(text), 1);
  return (
    <li>
      <div className="row-facts row-strong">
        <span>{month.month}</span>
        {commitment && <Committed commitment={commitment} />}
        {month.carried && <span className="chip">{t('contract.carried')}</span>}
      </div>
      <span className="meter" aria-hidden="true">
        <span className="meter-used" style={{ width: `${part(drawn, hours) * 100}%` }} />
      </span>
      <div className="row-facts">
        <span>{t('contract.drawn', { drawn: number(drawn), hours: number(hours), share: format.number(part(drawn, hours) * 100, 0) })}</span>
        <span>{t('contract.monthFee', { fee: format.money(month.fee, currency) })}</span>
        {commitment?.overage && <span>{t('contract.overage', { price: format.money(commitment.overage, currency) })}</span>}
      </div>
    </li>
  );
}

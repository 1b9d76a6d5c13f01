// What a tenant has: the wallet, money granted for free, budgets and contracts, each with what is left of it.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { grantsQuery } from '../../api/money';
import { walletQuery } from '../../api/queries';
import type { Grant } from '../../api/types';
import { less, part } from '../../lib/decimal';
import { useFormat, useNow } from '../../ui/hooks';
import { ErrorNote, Facts, Loading, Section } from '../../ui/parts';
import { Budgets } from './budgets';
import { Contracts } from './contracts';
import { Holds } from './holds';
import { Listed, MoneyFrame, useMe } from './frame';

export function WalletPage() {
  const { t } = useTranslation();
  const me = useMe();
  const tenant = me?.tenant ?? '';
  return (
    <MoneyFrame title={t('money.title')}>
      <div className="money">
        <div className="money-main">
          <Budgets tenant={tenant} owner={me?.role === 'owner' || me?.role === 'operator'} />
          <Contracts tenant={tenant} />
        </div>
        <div className="money-side">
          <WalletPanel tenant={tenant} />
          <Grants tenant={tenant} />
        </div>
      </div>
    </MoneyFrame>
  );
}

function WalletPanel({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const wallet = useQuery({ ...walletQuery(tenant), enabled: tenant !== '' });
  const data = wallet.data;
  if (wallet.error && !data) return <ErrorNote error={wallet.error} onRetry={() => void wallet.refetch()} />;
  if (!data) {
    return (
      <Section title={t('money.wallet')}>
        <Loading lines={3} />
      </Section>
    );
  }
  const money = (text: string) => format.money(text, data.currency);
  return (
    <Section title={t('money.available')} aside={<Link to="/money/transfers">{t('money.transfers')}</Link>}>
      <p className={data.available.startsWith('-') ? 'figure figure-bad' : 'figure'}>{format.moneyShort(data.available, data.currency)}</p>
      <Facts
        items={[
          [t('money.balance'), money(data.balance)],
          [
            t('money.held'),
            <span key="held">
              {`− ${money(data.held)}`} <span className="faint">{t('money.heldNote')}</span>
            </span>,
          ],
          [t('money.credit'), less(data.credit_limit, '0') !== '0' && `+ ${money(data.credit_limit)}`],
        ]}
      />
      {less(data.held, '0') !== '0' && <Holds tenant={tenant} />}
      {data.available.startsWith('-') && <p className="bad-text">{t('money.belowZero')}</p>}
    </Section>
  );
}

function Grants({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const grants = useQuery(grantsQuery(tenant));
  const order = (grant: Grant) => (grant.state === 'in_force' ? 0 : grant.state === 'given' ? 1 : 2);
  return (
    <Section title={t('money.grants')}>
      <Listed query={grants} none={<p className="faint">{t('money.grantsNone')}</p>}>
        {(items) => (
          <ul className="rows">
            {[...items]
              .sort((a, b) => order(a) - order(b) || a.to.localeCompare(b.to))
              .map((grant) => (
                <GrantRow key={grant.number} grant={grant} />
              ))}
          </ul>
        )}
      </Listed>
    </Section>
  );
}

function GrantRow({ grant }: { grant: Grant }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  const live = grant.state === 'in_force' || grant.state === 'given';
  const money = (text: string) => format.money(text, grant.currency);
  const scope = [
    grant.project && `${t('job.project')} ${grant.project}`,
    grant.user && `${t('job.user')} ${grant.user}`,
    ...grant.of.map((of) => [of.product && t(`line.${of.product}`), of.chip, of.pool, of.class && t(`class.${of.class}`)].filter(Boolean).join(' · ')),
  ].filter(Boolean);
  return (
    <li className={live ? 'row' : 'row is-over'}>
      <div className="row-head">
        <strong>{grant.note || t('money.grant', { number: grant.number })}</strong>
        <span className="row-end">{t(`grantState.${grant.state}`)}</span>
      </div>
      <span className="meter" aria-hidden="true">
        <span className="meter-used" style={{ width: `${part(grant.drawn, grant.amount) * 100}%` }} />
        <span className="meter-promised" style={{ width: `${part(grant.promised, grant.amount) * 100}%` }} />
      </span>
      <div className="row-facts">
        <span>{t('money.leftOf', { left: money(grant.left), amount: money(grant.amount) })}</span>
        <span title={format.fullTime(grant.to)}>{t(live ? 'money.ends' : 'money.ended', { when: format.ago(grant.to, now) })}</span>
        {less(grant.promised, '0') !== '0' && <span>{t('money.promised', { amount: money(grant.promised) })}</span>}
      </div>
      {scope.length > 0 && <div className="row-facts">{t('money.onlyFor', { what: scope.join(', ') })}</div>}
    </li>
  );
}

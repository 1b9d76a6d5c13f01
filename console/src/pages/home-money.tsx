// Of money what one wants to know at the first look: how fast it goes, how long it lasts, and what needs attention.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { billQuery, budgetsQuery, contractsQuery, grantsQuery } from '../api/money';
import { sessionQuery, walletQuery } from '../api/queries';
import { micros, part } from '../lib/decimal';
import { useFormat } from '../ui/hooks';
import { Facts, Section } from '../ui/parts';

const DAY_MS = 86_400_000;
/** A grant with money left that ends within this is told. */
const ENDS_SOON_MS = 7 * DAY_MS;
/** Longer than this, money is no matter of days. */
const DAYS_TOLD = 365n;

const midnight = (now: number) => new Date(new Date(now).setHours(0, 0, 0, 0)).toISOString();

/** What the last seven days and today cost, and how many days what is available lasts at that. */
export function RunRate({ tenant, available, currency }: { tenant: string; available: string; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [opened] = useState(() => Date.now());
  const today = midnight(opened);
  const day = useQuery(billQuery(tenant, { from: today, to: undefined })).data;
  const week = useQuery(billQuery(tenant, { from: new Date(new Date(today).getTime() - 7 * DAY_MS).toISOString(), to: today })).data;
  const of = (bill: typeof day) => bill?.total.find((one) => one.currency === currency)?.total ?? '0';
  if (!day || !week) return null;
  const spent = micros(of(week));
  const days = spent > 0n ? (micros(available) * 7n) / spent : undefined;
  return (
    <Facts
      items={[
        [t('home.today'), format.money(of(day), currency)],
        [t('home.week'), format.money(of(week), currency)],
        [t('home.lasts'), days !== undefined && days >= 0n && days <= DAYS_TOLD && t('home.lastsDays', { count: Number(days) })],
      ]}
    />
  );
}

/** Budgets that are nearly used up, grants that end, fees that wait, a wallet below zero; nothing when all is well. */
export function Notices() {
  const { t } = useTranslation();
  const format = useFormat();
  const [now] = useState(() => Date.now());
  const tenant = useQuery(sessionQuery).data?.user.tenant ?? '';
  const wallet = useQuery({ ...walletQuery(tenant), enabled: tenant !== '' }).data;
  const budgets = useQuery(budgetsQuery(tenant)).data?.items ?? [];
  const grants = useQuery(grantsQuery(tenant)).data?.items ?? [];
  const contracts = useQuery(contractsQuery(tenant)).data?.items ?? [];
  const told: { key: string; bad: boolean; text: ReactNode }[] = [];
  if (wallet && wallet.available.startsWith('-')) told.push({ key: 'wallet', bad: true, text: t('money.belowZero') });
  for (const contract of contracts) {
    if (contract.state === 'unpaid') told.push({ key: `c${contract.number}`, bad: true, text: t('home.unpaid', { name: contract.name }) });
  }
  for (const budget of budgets) {
    const share = part(budget.spent, budget.amount);
    const over = budget.left.startsWith('-');
    if (share < 0.8 && !over) continue;
    const name = [budget.project, budget.user].filter(Boolean).join(' · ') || t('budget.all');
    told.push({ key: `b${budget.number}`, bad: over, text: t('home.budget', { name, share: format.number(share * 100, 0), left: format.money(budget.left, budget.currency) }) });
  }
  for (const grant of grants) {
    if (grant.state !== 'in_force' || micros(grant.left) <= 0n || new Date(grant.to).getTime() - now > ENDS_SOON_MS) continue;
    told.push({ key: `g${grant.number}`, bad: false, text: t('home.grantEnds', { note: grant.note, when: format.ago(grant.to, now), left: format.money(grant.left, grant.currency) }) });
  }
  if (told.length === 0) return null;
  return (
    <Section title={t('home.notices')} aside={<Link to="/money">{t('nav.money')}</Link>}>
      <ul className="notices">
        {told.map(({ key, bad, text }) => (
          <li key={key} className={bad ? 'is-bad' : undefined}>
            {text}
          </li>
        ))}
      </ul>
    </Section>
  );
}

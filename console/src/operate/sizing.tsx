// How many cards a model service needs, and what a month of it earns.
import { useMutation } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { Facts, PageHead, Section } from '../ui/parts';
import { type Field, FieldLine, filled, Refusal, type Values, valuesOf } from './form';
import { BusinessTabs } from './frame';
import { Amount } from './parts';
import { useChipOptions } from './pick';
import type { Schemas } from './queries';

function askOf(values: Values): Schemas['SizingAsk'] {
  return {
    users: Number(values.users),
    requests_per_day: Number(values.requests),
    output_length: Number(values.length),
    seconds_per_unit: Number(values.seconds),
    ...(values.peak ? { peak: Number(values.peak) } : {}),
    ...(values.utilisation ? { utilisation: Number(values.utilisation) / 100 } : {}),
    ...(values.own ? { own_share: Number(values.own) / 100 } : {}),
    ...filled(values, 'chip', 'sold_hour', 'own_hour', 'partner_hour'),
  };
}

export function SizingPage() {
  const { t } = useTranslation();
  useTitle(t('op.nav.sizing'));
  const chips = useChipOptions(t('opBiz.noChip'));
  const ask = useMutation({ mutationFn: (values: Values) => unwrap(api.POST('/v1/reports/sizing', { body: askOf(values) })) });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    ask.mutate(valuesOf(event.currentTarget));
  };
  const number = (name: string, label: string, value = '', required = false): Field => ({ name, label, kind: 'number', value, required });
  const fields: Field[] = [
    number('users', t('opBiz.users'), '1000', true),
    number('requests', t('opBiz.requests'), '20', true),
    number('length', t('opBiz.length'), '500', true),
    number('seconds', t('opBiz.seconds'), '0.01', true),
    number('peak', t('opBiz.peak')),
    number('utilisation', t('opBiz.fill')),
    { name: 'chip', label: t('opBiz.chip'), kind: 'select', options: chips, value: chips[1]?.value ?? '' },
    number('own', t('opBiz.ownShare')),
    { name: 'sold_hour', label: t('opBiz.soldHour'), kind: 'money' },
    { name: 'own_hour', label: t('opBiz.ownHour'), kind: 'money' },
    { name: 'partner_hour', label: t('opBiz.partnerHour'), kind: 'money' },
  ];
  return (
    <>
      <PageHead title={t('op.nav.sizing')} />
      <BusinessTabs />
      <div className="op-two">
        <Section>
          <p className="faint">{t('opBiz.sizingText')}</p>
          <form onSubmit={submit} key={chips.length}>
            <div className="sheet-fields draft-bar">{fields.map((field) => <FieldLine key={field.name} field={field} />)}</div>
            {ask.error && <Refusal error={ask.error} />}
            <div className="sheet-go">
              <button type="submit" className="button button-primary" disabled={ask.isPending}>{t('opBiz.calculate')}</button>
            </div>
          </form>
        </Section>
        {ask.data && <Result done={ask.data} />}
      </div>
    </>
  );
}

function Result({ done }: { done: Schemas['SizingDone'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const amount = (value: string) => <Amount value={value} currency={done.currency} />;
  return (
    <Section title={t('opBiz.result')}>
      <p className="figure">{t('opBiz.cardsNeeded', { count: done.cards })}</p>
      <Facts
        items={[
          [t('opBiz.cardsBusy'), format.number(done.cards_busy)],
          [t('opBiz.ownCards'), format.number(done.own_cards)],
          [t('opBiz.partnerCards'), format.number(done.partner_cards)],
          [t('opBiz.hoursDay'), format.number(done.card_hours_day)],
          [t('opBiz.soldHour'), amount(done.sold_hour)],
          [t('opBiz.ownHour'), amount(done.own_hour)],
          [t('opBiz.partnerHour'), amount(done.partner_hour)],
          [t('opBiz.revenueMonth'), amount(done.revenue)],
          [t('opBiz.ownCost'), amount(done.own_cost)],
          [t('opBiz.partnerFees'), amount(done.partner_fees)],
          [t('op.money.margin'), <strong key="margin">{amount(done.margin)}</strong>],
        ]}
      />
    </Section>
  );
}

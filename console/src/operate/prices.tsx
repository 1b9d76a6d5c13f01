// Versions of the selling prices; a new one is tried against a month's work before it is published.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { dayStart, Refusal } from './form';
import { BusinessTabs } from './frame';
import { Amount, Answer, Choice, When } from './parts';
import { once, q, type Schemas } from './queries';

export function PricesPage() {
  const { t } = useTranslation();
  useTitle(t('op.nav.prices'));
  const [search, change] = useAddress();
  const format = useFormat();
  const books = useQuery(q.prices);
  const mayChange = useMayChange();
  return (
    <>
      <PageHead title={t('op.nav.prices')}>
        {mayChange && books.data && search.tab !== 'new' && (
          <button type="button" className="button button-primary" onClick={() => change({ tab: 'new' })}>{t('opBiz.newVersion')}</button>
        )}
      </PageHead>
      <BusinessTabs />
      <Answer query={books} lines={8}>
        {(page) => {
          const shown = page.items.find((book) => book.id === search.version) ?? page.items[0];
          if (!shown) return <p className="faint">{t('opBiz.noBooks')}</p>;
          return search.tab === 'new' && mayChange ? (
            <Draft from={shown} onClose={() => change({ tab: undefined })} />
          ) : (
            <div className="op-stack">
              <div className="op-bar">
                <Choice label={t('opBiz.version')} value={shown.id} onChange={(version) => change({ version })} options={page.items.map((book) => ({ value: book.id, label: `${book.name} · ${book.effective_from.startsWith('1970') ? t('opBiz.fromStart') : format.day(book.effective_from)}` }))} />
              </div>
              <Book book={shown} />
            </div>
          );
        }}
      </Answer>
    </>
  );
}

function Book({ book }: { book: Schemas['PriceBook'] }) {
  const { t } = useTranslation();
  const columns: Column<Schemas['PriceItem']>[] = [
    { key: 'unit', title: t('opBiz.unitName'), card: 'head', cell: (item) => <strong>{t(`opBiz.priceUnit.${item.unit}`)}</strong> },
    { key: 'price', title: t('opBiz.price'), align: 'right', card: 'head-end', cell: (item) => <Amount value={item.price} currency={book.currency} /> },
    { key: 'what', title: t('opBiz.holdsFor'), cell: (item) => [item.chip, item.pool, item.product && t(`opBiz.line.${item.product}`), item.class && t(`op.class.${item.class}`), item.model, item.kind].filter(Boolean).join(' · ') || <span className="faint">{t('opBiz.everything')}</span> },
    { key: 'tenant', title: t('opBiz.by.tenant'), cell: (item) => item.tenant },
    { key: 'steps', title: t('opBiz.steps'), cell: (item) => (item.steps ?? []).map((step) => `> ${step.above}: ${step.price ?? `× ${step.factor}`}`).join(', ') },
    { key: 'bands', title: t('opBiz.bands'), cell: (item) => (item.bands ?? []).map((band) => `${[band.days?.join(' '), band.from && `${band.from}–${band.to}`].filter(Boolean).join(' ')} ${band.price ?? `× ${band.factor}`}`).join(', ') },
    { key: 'minimum', title: t('opBiz.least'), align: 'right', cell: (item) => item.minimum && <Amount value={item.minimum} currency={book.currency} /> },
  ];
  return (
    <Section flush title={<>{book.name} <span className="chip">{book.currency}</span></>} aside={!book.effective_from.startsWith('1970') && <span className="faint">{t('opBiz.since')} <When at={book.effective_from} /></span>}>
      <DataTable columns={columns} rows={book.items ?? []} rowKey={(item) => JSON.stringify(item)} caption={book.name} />
    </Section>
  );
}

/** The book as a draft of its next version: what the server gave it, it gives anew. */
const draftOf = (book: Schemas['PriceBook']): string => JSON.stringify({ name: book.name, currency: book.currency, utc_offset: book.utc_offset, items: book.items }, null, 2);

function Draft({ from, onClose }: { from: Schemas['PriceBook']; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [text, setText] = useState(() => draftOf(from));
  const [month, setMonth] = useState('');
  const [day, setDay] = useState('');
  const body = () => ({ ...(JSON.parse(text) as Schemas['PriceCreate']), ...(day ? { effective_from: dayStart(day) } : {}) });
  const trial = useMutation({ mutationFn: async () => unwrap(api.POST('/v1/prices/trial', { body: { book: body(), ...(month ? { month } : {}) } })) });
  const publish = useMutation({
    mutationFn: async () => unwrap(api.POST('/v1/prices', { params: { header: once() }, body: body() })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['operate', 'prices'] });
      onClose();
    },
  });
  const error = publish.error ?? trial.error;
  return (
    <div className="op-stack">
      <Section title={t('opBiz.newVersion')}>
        <label>
          <span className="sheet-label">{t('opBiz.draft')}</span>
          <textarea className="field code" rows={22} spellCheck={false} value={text} onChange={(event) => { setText(event.target.value); trial.reset(); }} />
        </label>
        <div className="op-bar draft-bar">
          <label className="op-inline"><span>{t('opBiz.triedOn')}</span><input type="month" className="field" value={month} onChange={(event) => setMonth(event.target.value)} /></label>
          <label className="op-inline"><span>{t('opBiz.effective')}</span><input type="date" className="field" value={day} onChange={(event) => setDay(event.target.value)} /></label>
        </div>
        {error && (error instanceof SyntaxError ? <p className="bad-text" role="alert">{t('opBiz.notJson')} <span lang="en">{error.message}</span></p> : <Refusal error={error} />)}
        <div className="sheet-go">
          <button type="button" className="button" onClick={onClose}>{t('op.cancel')}</button>
          <button type="button" className="button" disabled={trial.isPending} onClick={() => trial.mutate()}>{t('opBiz.dryRun')}</button>
          <button type="button" className="button button-primary" disabled={publish.isPending} onClick={() => publish.mutate()}>{t('opBiz.publish')}</button>
        </div>
      </Section>
      {trial.data && <Trial trial={trial.data} />}
    </div>
  );
}

function Trial({ trial }: { trial: Schemas['PriceTrial'] }) {
  const { t } = useTranslation();
  const amount = (pick: (row: Schemas['PriceTrialRow']) => string) => (row: Schemas['PriceTrialRow']) => <Amount value={pick(row)} currency={trial.currency} />;
  const columns: Column<Schemas['PriceTrialRow']>[] = [
    { key: 'tenant', title: t('opBiz.by.tenant'), card: 'head', cell: (row) => row.tenant_name ?? <strong>{t('opBiz.allTenants')}</strong> },
    { key: 'runs', title: t('opBiz.runs'), align: 'right', cell: (row) => row.runs },
    { key: 'unpriced', title: t('opBiz.unpriced'), align: 'right', cell: (row) => row.runs_unpriced },
    { key: 'records', title: t('opBiz.records'), align: 'right', cell: (row) => row.records },
    { key: 'recordsUnpriced', title: t('opBiz.recordsUnpriced'), align: 'right', cell: (row) => row.records_unpriced },
    { key: 'charged', title: t('opBiz.charged'), align: 'right', cell: amount((row) => row.charged) },
    { key: 'tried', title: t('opBiz.tried'), align: 'right', cell: amount((row) => row.tried) },
    { key: 'usage', title: t('opBiz.usageTried'), align: 'right', cell: amount((row) => row.usage_tried ?? '0') },
    { key: 'difference', title: t('opBiz.difference'), align: 'right', card: 'head-end', cell: amount((row) => row.difference) },
  ];
  return (
    <Section title={t('opBiz.trialOf', { month: trial.month })} flush>
      {trial.missing.length > 0 && <p className="pad warn-text">{t('opBiz.missing', { what: trial.missing.join(', ') })}</p>}
      <DataTable columns={columns} rows={[...trial.tenants, trial.total]} rowKey={(row) => row.tenant ?? ''} caption={t('opBiz.dryRun')} />
    </Section>
  );
}

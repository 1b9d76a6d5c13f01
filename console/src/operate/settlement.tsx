// The reconciliation of one statement: sums by how lines match, the lines, disputes, acceptance, payment.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { Empty, Facts, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { ActButton, filled, FormDialog } from './form';
import { isZero, micros } from './money';
import { Amount, Answer, Choice, Pager, Tag, type Tone, When } from './parts';
import { once, q, type Schemas } from './queries';
import { SettlementTag } from './suppliers';

type Line = Schemas['SettlementLine'];
const VERDICT_TONES: Record<Schemas['LineVerdict'], Tone> = { matched: 'good', quantity: 'wait', price: 'wait', quantity_and_price: 'wait', only_ours: 'bad', only_theirs: 'bad', duplicated: 'bad' };
const RESOLUTIONS = ['open', 'ours', 'theirs', 'amount', 'later'] as const;

export function SettlementPage() {
  const { t } = useTranslation();
  const { settlement: number } = useParams({ from: '/shell/operate/business/settlements/$settlement' });
  const title = t('opBiz.settlementTitle', { number });
  useTitle(title);
  const settlement = useQuery(q.settlement(number));
  const mayChange = useMayChange();
  return (
    <>
      <p className="op-crumb">
        <Link to="/operate/business/suppliers">{t('op.nav.suppliers')}</Link>
      </p>
      <PageHead title={title}>{mayChange && settlement.data && <Actions settlement={settlement.data} />}</PageHead>
      <Answer query={settlement} lines={8}>
        {(data) => (
          <div className="op-stack">
            <Standing settlement={data} />
            <Lines settlement={data} mayChange={mayChange && data.state === 'open'} />
          </div>
        )}
      </Answer>
    </>
  );
}

function Actions({ settlement }: { settlement: Schemas['Settlement'] }) {
  const { t } = useTranslation();
  const params = { path: { settlement: settlement.number as never }, header: once() };
  const note = [{ name: 'note', label: t('opBiz.note'), wide: true }];
  return (
    <div className="op-actions">
      {settlement.state === 'open' && (
        <>
          <ActButton words={t('opBiz.withdraw')}>
            {(close) => <FormDialog title={t('opBiz.withdraw')} act={t('opBiz.withdraw')} danger fields={note} onClose={close} send={(values) => unwrap(api.POST('/v1/settlements/{settlement}/withdraw', { params, body: { note: values.note ?? '' } }))} />}
          </ActButton>
          <ActButton words={t('opBiz.accept')} primary>
            {(close) => (
              <FormDialog title={t('opBiz.accept')} act={t('opBiz.accept')} fields={note} onClose={close} send={(values) => unwrap(api.POST('/v1/settlements/{settlement}/accept', { params, body: { note: values.note ?? '' } }))}>
                <p>{t('opBiz.acceptText')}</p>
              </FormDialog>
            )}
          </ActButton>
        </>
      )}
      {settlement.state === 'accepted' && settlement.payable && micros(settlement.payable) > micros(settlement.paid ?? '0') && (
        <ActButton words={t('opBiz.pay')} primary>
          {(close) => (
            <FormDialog
              title={t('opBiz.pay')}
              act={t('opBiz.pay')}
              onClose={close}
              fields={[{ name: 'amount', label: t('opBiz.amount'), kind: 'money', hint: t('opBiz.payHint') }, { name: 'memo', label: t('opBiz.note') }]}
              send={(values) => unwrap(api.POST('/v1/settlements/{settlement}/payments', { params, body: { amount: values.amount || null, memo: values.memo ?? '' } }))}
            />
          )}
        </ActButton>
      )}
    </div>
  );
}

function Standing({ settlement: s }: { settlement: Schemas['Settlement'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const amount = (value: string | null | undefined) => value != null && <Amount value={value} currency={s.currency} />;
  return (
    <Section title={<>{`${s.supplier_name} · ${s.statement}`} <SettlementTag state={s.state} /></>}>
      <div className="op-two">
        <Facts
          items={[
            [t('op.period.label'), `${format.day(s.from)} – ${format.dayBefore(s.to)}`],
            [t('opBiz.imported'), <When key="at" at={s.imported_at} />],
            [t('opBiz.lines'), String(s.lines)],
            [t('opBiz.openLines'), String(s.open)],
          ]}
        />
        <Facts
          items={[
            [t('opBiz.ours'), amount(s.ours)],
            [t('opBiz.theirs'), amount(s.theirs)],
            [t('opBiz.difference'), amount(s.difference)],
            [t('opBiz.payable'), amount(s.payable)],
            [t('opBiz.paid'), amount(s.paid)],
          ]}
        />
      </div>
      <div className="chips" role="group" aria-label={t('opBiz.verdicts')}>
        {s.sums.map((sum) => (
          <span key={sum.verdict}>
            <Tag tone={VERDICT_TONES[sum.verdict]}>{t(`opBiz.verdict.${sum.verdict}`)}</Tag> {sum.lines} {!isZero(sum.difference) && amount(sum.difference)}
          </span>
        ))}
      </div>
    </Section>
  );
}

function Lines({ settlement, mayChange }: { settlement: Schemas['Settlement']; mayChange: boolean }) {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const lines = useQuery(q.lines(String(settlement.number), search.only, search.cursor));
  const toggle = (line: number) => setChosen((before) => { const next = new Set(before); if (!next.delete(line)) next.add(line); return next; });
  return (
    <Section
      flush
      title={t('opBiz.lines')}
      aside={mayChange && chosen.size > 0 && <ActButton words={t('opBiz.resolve', { count: chosen.size })} small>{(close) => <ResolveDialog settlement={settlement.number} lines={[...chosen].sort((a, b) => a - b)} onClose={() => { setChosen(new Set()); close(); }} />}</ActButton>}
    >
      <div className="op-bar pad">
        <Choice label={t('opBiz.show')} value={search.only ?? ''} onChange={(only) => change({ only: only || undefined })} options={[{ value: '', label: t('opBiz.allLines') }, { value: 'differing', label: t('opBiz.differing') }, { value: 'open', label: t('opBiz.inDispute') }]} />
      </div>
      <Answer query={lines} lines={6}>
        {(page) => (
          <>
            {page.items.length === 0 ? <Empty title={t('opBiz.noLines')} /> : <LineTable lines={page.items} currency={settlement.currency} chosen={chosen} toggle={mayChange ? toggle : undefined} />}
            <Pager next={page.next_cursor ?? undefined} />
          </>
        )}
      </Answer>
    </Section>
  );
}

function LineTable({ lines, currency, chosen, toggle }: { lines: readonly Line[]; currency: string; chosen: ReadonlySet<number>; toggle: ((line: number) => void) | undefined }) {
  const { t } = useTranslation();
  const amount = (value: string | null | undefined) => value != null && <Amount value={value} currency={currency} />;
  const columns: (Column<Line> | false)[] = [
    toggle !== undefined && { key: 'pick', title: '', card: 'head', cell: (row) => <input type="checkbox" aria-label={t('opBiz.chooseLine', { line: row.line })} checked={chosen.has(row.line)} onChange={() => toggle(row.line)} /> },
    { key: 'line', title: t('opBiz.number'), card: 'head', align: 'right', cell: (row) => row.line },
    { key: 'verdict', title: t('opBiz.match'), card: 'head', cell: (row) => <Tag tone={VERDICT_TONES[row.verdict]}>{t(`opBiz.verdict.${row.verdict}`)}</Tag> },
    { key: 'dispute', title: t('opBiz.dispute'), card: 'head-end', cell: (row) => row.dispute !== 'none' && <Tag tone={row.dispute === 'open' ? 'bad' : 'run'}>{t(`opBiz.resolution.${row.dispute}`)}</Tag> },
    { key: 'job', title: t('opBiz.job'), cell: (row) => (row.job != null ? <Link to="/jobs/$job" params={{ job: String(row.job) }}>{row.job}</Link> : <span className="faint">{row.external ?? row.user}</span>) },
    { key: 'ours', title: t('opBiz.ours'), align: 'right', cell: (row) => amount(row.ours) },
    { key: 'theirs', title: t('opBiz.theirs'), align: 'right', cell: (row) => amount(row.theirs) },
    { key: 'agreed', title: t('opBiz.agreed'), align: 'right', cell: (row) => amount(row.agreed) },
    { key: 'hours', title: t('opBiz.hoursBoth'), cell: (row) => row.quantities.map((quantity) => `${t(`opBiz.meterUnit.${quantity.meter}`)} ${quantity.ours_hours ?? '–'} / ${quantity.theirs_hours ?? '–'}`).join(', ') },
    { key: 'note', title: t('opBiz.note'), className: 'wrap-cell', cell: (row) => row.note },
  ];
  return <DataTable columns={columns} rows={lines} rowKey={(row) => String(row.line)} rowClass={(row) => (chosen.has(row.line) ? 'is-chosen' : undefined)} caption={t('opBiz.lines')} />;
}

function ResolveDialog({ settlement, lines, onClose }: { settlement: number; lines: number[]; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormDialog
      title={t('opBiz.resolve', { count: lines.length })}
      act={t('opBiz.save')}
      onClose={onClose}
      fields={[
        { name: 'resolution', label: t('opBiz.outcome'), kind: 'select', options: RESOLUTIONS.map((value) => ({ value, label: t(`opBiz.resolution.${value}`) })) },
        { name: 'amount', label: t('opBiz.agreedAmount'), kind: 'money', hint: t('opBiz.agreedHint') },
        { name: 'note', label: t('opBiz.note'), wide: true },
      ]}
      send={(values) =>
        unwrap(
          api.POST('/v1/settlements/{settlement}/disputes', {
            params: { path: { settlement: settlement as never }, header: once() },
            body: { lines, resolution: values.resolution as Schemas['LineResolution'], note: values.note ?? '', ...(values.resolution === 'amount' ? filled(values, 'amount') : {}) },
          }),
        )
      }
    />
  );
}

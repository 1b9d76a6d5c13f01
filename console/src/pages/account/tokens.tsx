// Tokens of programs and sessions of browsers: made, shown once, ended.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Modal, Popconfirm, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { tokensQuery } from '../../api/account';
import { api, unwrap } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { Scope, Token } from '../../api/types';
import { useFormat, useNow } from '../../ui/hooks';
import { ErrorNote, Section } from '../../ui/parts';
import { Secret } from '../../ui/secret';
import { type Column, DataTable } from '../../ui/table';
import { Listed } from '../money/frame';

const SCOPES: readonly Scope[] = ['jobs', 'read', 'full'];
const DAYS = [1, 7, 30, 90, 366] as const;

export function Tokens() {
  const { t } = useTranslation();
  const tokens = useQuery(tokensQuery);
  const now = useNow(60_000);
  const [making, setMaking] = useState(false);
  const live = (token: Token) => !token.revoked_at && new Date(token.expires_at).getTime() > now;
  return (
    <Section
      flush
      title={t('token.title')}
      aside={
        <Button size="small" onClick={() => setMaking(true)}>
          {t('token.make')}
        </Button>
      }
    >
      <Listed query={tokens} none={<p className="pad faint">{t('token.none')}</p>} lines={3}>
        {(items) => <TokenTable tokens={items.filter(live)} />}
      </Listed>
      {making && <MakeToken onClose={() => setMaking(false)} />}
    </Section>
  );
}

function TokenTable({ tokens }: { tokens: Token[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  const columns: Column<Token>[] = [
    { key: 'label', title: t('token.label'), card: 'head', cell: (one) => one.label || (one.session ? t('token.session') : t('token.unnamed')) },
    { key: 'kind', title: t('token.kind'), cell: (one) => (one.session ? t('token.browser') : t('token.program')) },
    { key: 'scope', title: t('token.scope'), cell: (one) => t(`scope.${one.scope}`) },
    { key: 'made', title: t('token.made'), cell: (one) => <time title={format.fullTime(one.created_at)}>{format.ago(one.created_at, now)}</time> },
    { key: 'ends', title: t('token.ends'), cell: (one) => <time title={format.fullTime(one.expires_at)}>{format.ago(one.expires_at, now)}</time> },
    { key: 'end', title: t('token.act'), align: 'right', card: 'head-end', cell: (one) => <Revoke token={one} /> },
  ];
  return <DataTable caption={t('token.title')} columns={columns} rows={tokens} rowKey={(one) => one.id} />;
}

function Revoke({ token }: { token: Token }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message } = App.useApp();
  const revoke = useMutation({
    mutationFn: () => unwrap(api.DELETE('/v1/tokens/{token}', { params: { path: { token: token.id } } })),
    onError: (error) => void message.error(t(`error.${asProblem(error).code}`, { defaultValue: asProblem(error).detail })),
    onSettled: () => client.invalidateQueries({ queryKey: tokensQuery.queryKey }),
  });
  return (
    <Popconfirm title={token.session ? t('token.endAskSession') : t('token.endAsk')} okText={t('token.end')} cancelText={t('job.cancelKeep')} okButtonProps={{ danger: true }} placement="left" onConfirm={() => revoke.mutate()}>
      <Button size="small" type="text" danger loading={revoke.isPending}>
        {t('token.end')}
      </Button>
    </Popconfirm>
  );
}

function MakeToken({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [draft, setDraft] = useState<{ label: string; scope: Scope; days: number }>({ label: '', scope: 'jobs', days: 90 });
  const make = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/tokens', { body: { label: draft.label.trim(), scope: draft.scope, expires_in_seconds: draft.days * 86_400 } })),
    onSettled: () => client.invalidateQueries({ queryKey: tokensQuery.queryKey }),
  });
  if (make.data) return <Issued token={make.data.token} onClose={onClose} />;
  return (
    <Modal open title={t('token.make')} okText={t('token.make')} cancelText={t('common.close')} onOk={() => make.mutate()} onCancel={onClose} okButtonProps={{ loading: make.isPending }}>
      <div className="form">
        <label>
          <span>{t('token.label')}</span>
          <Input value={draft.label} maxLength={100} placeholder={t('token.labelHint')} onChange={(event) => setDraft({ ...draft, label: event.target.value })} />
        </label>
        <label>
          <span>{t('token.scope')}</span>
          <Select aria-label={t('token.scope')} value={draft.scope} options={SCOPES.map((value) => ({ value, label: t(`scope.${value}`) }))} onChange={(scope) => setDraft({ ...draft, scope })} />
        </label>
        <label>
          <span>{t('token.lasts')}</span>
          <Select aria-label={t('token.lasts')} value={draft.days} options={DAYS.map((value) => ({ value, label: t('token.days', { count: value }) }))} onChange={(days) => setDraft({ ...draft, days })} />
        </label>
        {make.error && <ErrorNote error={make.error} />}
      </div>
    </Modal>
  );
}

/** The one time the secret is seen. */
function Issued({ token, onClose }: { token: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal open title={t('token.issued')} onCancel={onClose} mask={{ closable: false }} footer={<Button type="primary" onClick={onClose}>{t('common.close')}</Button>}>
      <p>{t('token.once')}</p>
      <Secret text={token} />
    </Modal>
  );
}

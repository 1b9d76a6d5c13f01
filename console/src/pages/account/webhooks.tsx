// Addresses that are called: made with a secret that is shown once, tried out, changed, removed.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Modal, Popconfirm } from 'antd';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { noticesQuery } from '../../api/account';
import { api, unwrap } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { NoticeKind, Webhook } from '../../api/types';
import { ErrorNote } from '../../ui/parts';
import { Secret } from '../../ui/secret';
import { Kinds, Went } from './kinds';

/** As many as the server takes of one user. */
const HOOKS_MAX = 5;

const useRefresh = () => {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: noticesQuery.queryKey });
};

export function Webhooks({ hooks }: { hooks: Webhook[] }) {
  const { t } = useTranslation();
  return (
    <section className="way" aria-label={t('notify.webhooks')}>
      <h3>{t('notify.webhooks')}</h3>
      {hooks.length === 0 && <p className="faint">{t('notify.webhooksNone')}</p>}
      {hooks.map((hook) => (
        <Hook key={hook.id} hook={hook} />
      ))}
      {hooks.length < HOOKS_MAX && <Add />}
    </section>
  );
}

function Hook({ hook }: { hook: Webhook }) {
  const { t } = useTranslation();
  const refresh = useRefresh();
  const { message } = App.useApp();
  const path = { params: { path: { webhook: hook.id } } };
  const told = (error: unknown) => void message.error(t(`error.${asProblem(error).code}`, { defaultValue: asProblem(error).detail }));
  const change = useMutation({ mutationFn: (kinds: NoticeKind[]) => unwrap(api.PATCH('/v1/notices/webhooks/{webhook}', { ...path, body: { kinds } })), onError: told, onSettled: refresh });
  const drop = useMutation({ mutationFn: () => unwrap(api.DELETE('/v1/notices/webhooks/{webhook}', path)), onError: told, onSettled: refresh });
  const test = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/notices/webhooks/{webhook}/test', path)),
    onSuccess: (tested) => void (tested.delivered ? message.success(t('notify.tested')) : message.error(t('notify.testFailed', { why: tested.text }))),
    onError: told,
  });
  return (
    <div className="hook">
      <div className="way-line">
        <p>
          <strong className="mono long">{hook.url}</strong> <Went sent={hook.sent_at} fault={hook.fault} waiting={hook.waiting} givenUp={hook.given_up} />
        </p>
        <span className="legend">
          <Button size="small" loading={test.isPending} onClick={() => test.mutate()}>
            {t('notify.test')}
          </Button>
          <Popconfirm title={t('notify.removeAsk')} okText={t('notify.remove')} cancelText={t('job.cancelKeep')} okButtonProps={{ danger: true }} onConfirm={() => drop.mutate()}>
            <Button size="small" danger type="text" loading={drop.isPending}>
              {t('notify.remove')}
            </Button>
          </Popconfirm>
        </span>
      </div>
      <Kinds label={t('notify.hookKinds', { url: hook.url })} value={hook.kinds} onChange={change.mutateAsync} />
    </div>
  );
}

function Add() {
  const { t } = useTranslation();
  const refresh = useRefresh();
  const [url, setUrl] = useState('');
  const add = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/notices/webhooks', { body: { url: url.trim() } })),
    onSuccess: () => setUrl(''),
    onSettled: refresh,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (url.trim()) add.mutate();
  };
  return (
    <>
      <form className="way-form" onSubmit={submit}>
        <Input type="url" value={url} maxLength={500} aria-label={t('notify.url')} placeholder={t('notify.urlHint')} autoCapitalize="none" spellCheck={false} onChange={(event) => setUrl(event.target.value)} />
        <Button htmlType="submit" disabled={url.trim() === ''} loading={add.isPending}>
          {t('notify.add')}
        </Button>
      </form>
      {add.error && <ErrorNote error={add.error} />}
      {add.data && <Issued secret={add.data.secret} onClose={() => add.reset()} />}
    </>
  );
}

/** The one time it is seen. */
function Issued({ secret, onClose }: { secret: string; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      open
      title={t('notify.secret')}
      onCancel={onClose}
      mask={{ closable: false }}
      footer={
        <Button type="primary" onClick={onClose}>
          {t('common.close')}
        </Button>
      }
    >
      <p>{t('notify.secretOnce')}</p>
      <Secret text={secret} />
    </Modal>
  );
}

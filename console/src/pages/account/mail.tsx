// Notices by mail: an address that is confirmed by a code, what is sent there, and what went wrong.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Button, Input, Popconfirm } from 'antd';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { noticesQuery } from '../../api/account';
import { api, unwrap } from '../../api/client';
import type { MailNotices, NoticeKind } from '../../api/types';
import { useLanguage } from '../../ui/hooks';
import { ErrorNote } from '../../ui/parts';
import { Kinds, Went } from './kinds';

const useRefresh = () => {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: noticesQuery.queryKey });
};

export function Mail({ mail }: { mail: MailNotices }) {
  const { t } = useTranslation();
  const [other, setOther] = useState(false);
  if (!mail.offered) {
    return (
      <section className="way" aria-label={t('notify.mail')}>
        <h3>{t('notify.mail')}</h3>
        <p className="faint">{t('notify.mailMissing')}</p>
      </section>
    );
  }
  return (
    <section className="way" aria-label={t('notify.mail')}>
      <h3>{t('notify.mail')}</h3>
      {mail.address && <Confirmed mail={mail} onOther={() => setOther(!other)} />}
      {mail.asked ? <Confirm address={mail.asked} /> : (!mail.address || other) && <Ask onAsked={() => setOther(false)} />}
    </section>
  );
}

/** The address that mail goes to, and what goes there. */
function Confirmed({ mail, onOther }: { mail: MailNotices; onOther: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const refresh = useRefresh();
  const change = useMutation({
    mutationFn: (kinds: NoticeKind[]) => unwrap(api.PATCH('/v1/notices/mail', { body: { kinds, language } })),
    onSettled: refresh,
  });
  const drop = useMutation({ mutationFn: () => unwrap(api.DELETE('/v1/notices/mail')), onSettled: refresh });
  return (
    <>
      <div className="way-line">
        <p>
          <strong className="long">{mail.address}</strong> <Went sent={mail.mailed_at} fault={mail.fault} waiting={mail.waiting} givenUp={mail.given_up} />
        </p>
        <span className="legend">
          <Button size="small" onClick={onOther}>
            {t('notify.otherAddress')}
          </Button>
          <Popconfirm title={t('notify.mailOffAsk')} okText={t('notify.mailOff')} cancelText={t('job.cancelKeep')} okButtonProps={{ danger: true }} onConfirm={() => drop.mutate()}>
            <Button size="small" danger type="text" loading={drop.isPending}>
              {t('notify.mailOff')}
            </Button>
          </Popconfirm>
        </span>
      </div>
      <Kinds label={t('notify.mailKinds')} value={mail.kinds} onChange={change.mutateAsync} />
      <p className="faint">{t('notify.mailOfJob')}</p>
      {(change.error ?? drop.error) && <ErrorNote error={change.error ?? drop.error} />}
    </>
  );
}

function Ask({ onAsked }: { onAsked: () => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const refresh = useRefresh();
  const [address, setAddress] = useState('');
  const ask = useMutation({
    mutationFn: () => unwrap(api.PUT('/v1/notices/mail', { body: { address: address.trim(), language } })),
    onSuccess: onAsked,
    onSettled: refresh,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (address.trim()) ask.mutate();
  };
  return (
    <>
      <form className="way-form" onSubmit={submit}>
        <Input type="email" value={address} maxLength={254} aria-label={t('notify.address')} placeholder={t('notify.address')} autoComplete="email" onChange={(event) => setAddress(event.target.value)} />
        <Button htmlType="submit" disabled={address.trim() === ''} loading={ask.isPending}>
          {t('notify.sendCode')}
        </Button>
      </form>
      {ask.error && <ErrorNote error={ask.error} />}
    </>
  );
}

/** The code, which the link in the mail brings along. */
function Confirm({ address }: { address: string }) {
  const { t } = useTranslation();
  const { confirm: given } = useSearch({ from: '/shell/account' });
  const navigate = useNavigate();
  const refresh = useRefresh();
  const [code, setCode] = useState(given ?? '');
  const [again, setAgain] = useState(false);
  const confirm = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/notices/mail/confirm', { body: { code: code.trim() } })),
    onSuccess: () => void navigate({ to: '/account', search: {}, replace: true }),
    onSettled: refresh,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (code.trim()) confirm.mutate();
  };
  return (
    <>
      <p className="faint">{t('notify.codeSent', { address })}</p>
      <form className="way-form" onSubmit={submit}>
        <Input value={code} maxLength={40} aria-label={t('notify.code')} placeholder={t('notify.code')} autoComplete="one-time-code" autoCapitalize="none" spellCheck={false} onChange={(event) => setCode(event.target.value)} />
        <Button htmlType="submit" type="primary" disabled={code.trim() === ''} loading={confirm.isPending}>
          {t('notify.confirm')}
        </Button>
        <Button type="text" onClick={() => setAgain(!again)}>
          {t('notify.otherAddress')}
        </Button>
      </form>
      {confirm.error && <ErrorNote error={confirm.error} />}
      {again && <Ask onAsked={() => setAgain(false)} />}
    </>
  );
}

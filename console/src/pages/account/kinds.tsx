// What notices are about, as boxes to tick; and how sending them went.
import { Checkbox } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import type { NoticeKind, Webhook } from '../../api/types';
import { useFormat, useNow } from '../../ui/hooks';

const KINDS: readonly NoticeKind[] = ['completed', 'failed', 'started', 'delayed', 'money'];

/** `onChange` ends when `value` tells what came of it; until then the boxes are as they were ticked. */
export function Kinds({ label, value, onChange }: { label: string; value: readonly NoticeKind[]; onChange: (kinds: NoticeKind[]) => Promise<unknown> }) {
  const { t } = useTranslation();
  const [ticked, setTicked] = useState<NoticeKind[]>();
  const change = (kinds: NoticeKind[]) => {
    setTicked(kinds);
    const done = () => setTicked((now) => (now === kinds ? undefined : now));
    onChange(kinds).then(done, done);
  };
  return (
    <div role="group" aria-label={label}>
      <Checkbox.Group className="kinds" value={[...(ticked ?? value)]} options={KINDS.map((kind) => ({ value: kind, label: t(`notify.kind.${kind}`) }))} onChange={(kinds) => change(kinds as NoticeKind[])} />
    </div>
  );
}

export function Went({ sent, fault, waiting, givenUp }: { sent: string | null | undefined; fault: Webhook['fault']; waiting: number; givenUp: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  return (
    <>
      <span className="faint">{sent ? t('notify.sent', { when: format.ago(sent, now) }) : t('notify.sentNone')}</span>
      {waiting > 0 && <span className="chip">{t('notify.waiting', { count: waiting })}</span>}
      {givenUp > 0 && <span className="chip chip-hard">{t('notify.givenUp', { count: givenUp })}</span>}
      {fault && (
        <span className="way-fault" title={format.fullTime(fault.at)}>
          {t('notify.fault', { when: format.ago(fault.at, now), why: fault.text })}
        </span>
      )}
    </>
  );
}

// What the reader hears of and how: through this browser, by mail to a confirmed address, by calls to addresses of one's own.
import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useTranslation } from 'react-i18next';

import { noticesQuery } from '../../api/account';
import { turnOff, turnOn, useNotices } from '../../app/notices';
import { ErrorNote, Loading, Section } from '../../ui/parts';
import { Mail } from './mail';
import { Webhooks } from './webhooks';

export function Notices() {
  const { t } = useTranslation();
  const notices = useQuery({ ...noticesQuery, refetchInterval: 15_000 });
  return (
    <Section title={t('notices.title')}>
      <div className="ways">
        <Browser />
        {notices.data ? (
          <>
            <Mail mail={notices.data.mail} />
            <Webhooks hooks={notices.data.webhooks} />
          </>
        ) : notices.error ? (
          <ErrorNote error={notices.error} onRetry={() => void notices.refetch()} />
        ) : (
          <Loading lines={3} />
        )}
      </div>
    </Section>
  );
}

function Browser() {
  const { t } = useTranslation();
  const state = useNotices();
  return (
    <section className="way" aria-label={t('notify.browser')}>
      <h3>{t('notify.browser')}</h3>
      <div className="way-line">
        <p className="faint">{t(`notices.${state}`)}</p>
        {state === 'on' && (
          <Button size="small" onClick={turnOff}>
            {t('notices.turnOff')}
          </Button>
        )}
        {state === 'off' && (
          <Button size="small" onClick={() => void turnOn()}>
            {t('notices.turnOn')}
          </Button>
        )}
      </div>
    </section>
  );
}

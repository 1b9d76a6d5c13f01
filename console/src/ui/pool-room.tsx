// What is free in a pool, as bars with their words.
import { useTranslation } from 'react-i18next';

import type { Pool } from '../api/types';
import { useFormat } from './hooks';
import { Share } from './parts';

export function PoolRoom({ pool }: { pool: Pool }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { free, total } = pool;
  if (!free) return <p className="faint">{t('pools.freeUnknown')}</p>;
  return (
    <div className="shares">
      <Share
        label={t('pools.cores')}
        used={total.cpu_millis - free.cpu_millis}
        total={total.cpu_millis}
        text={t('pools.coresFree', { free: format.cores(free.cpu_millis), total: format.cores(total.cpu_millis) })}
      />
      <Share
        label={t('pools.memory')}
        used={total.memory_bytes - free.memory_bytes}
        total={total.memory_bytes}
        text={t('pools.memoryFree', { free: format.bytes(free.memory_bytes), total: format.bytes(total.memory_bytes) })}
      />
      {total.gpus > 0 && (
        <Share
          label={t('pools.cards')}
          used={total.gpus - free.gpus}
          total={total.gpus}
          text={t('pools.cardsFree', { free: format.number(free.gpus), total: format.number(total.gpus) })}
        />
      )}
    </div>
  );
}

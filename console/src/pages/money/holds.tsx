// What open jobs have set aside in the wallet: which, how much, since when. Asked for when it is opened.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { holdsQuery } from '../../api/money';
import type { Held } from '../../api/types';
import { useFormat, useNow } from '../../ui/hooks';
import { Listed } from './frame';

export function Holds({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <details className="holds" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('money.holds')}</summary>
      {open && <List tenant={tenant} />}
    </details>
  );
}

function List({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  const holds = useQuery(holdsQuery(tenant));
  return (
    <Listed query={holds} none={<p className="faint">{t('money.holdsNone')}</p>}>
      {(items: Held[]) => (
        <>
          <ul className="rows">
            {items.map((held) => (
              <li key={held.job} className="row">
                <div className="row-head">
                  <Link to="/jobs/$job" params={{ job: held.job }}>
                    {`${held.number} ${held.name}`}
                  </Link>
                  <span className="row-end">{format.money(held.amount, held.currency)}</span>
                </div>
                <div className="row-facts">
                  <span>{held.user_name}</span>
                  <span title={format.fullTime(held.since)}>{format.ago(held.since, now)}</span>
                </div>
              </li>
            ))}
          </ul>
          {holds.data?.next_cursor && <p className="faint">{t('money.holdsMore', { count: items.length })}</p>}
        </>
      )}
    </Listed>
  );
}

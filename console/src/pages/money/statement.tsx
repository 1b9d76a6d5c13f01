// One statement: how the balance became what it is, what is due and for what, and the same as files.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { statementQuery } from '../../api/money';
import { ApiProblem } from '../../api/problem';
import type { StatementDetail } from '../../api/types';
import { micros } from '../../lib/decimal';
import { useFormat, useLanguage } from '../../ui/hooks';
import { Empty, ErrorNote, Facts, Loading, Section } from '../../ui/parts';
import { MoneyFrame } from './frame';
import { StatementJobs, StatementParts } from './statement-parts';

const route = getRouteApi('/shell/money/statements/$statement');

export function StatementPage() {
  const { t } = useTranslation();
  const { statement } = route.useParams();
  const number = Number(statement);
  const query = useQuery(statementQuery(number, false));
  if (query.error instanceof ApiProblem && [403, 404].includes(query.error.status)) {
    return (
      <MoneyFrame title={t('money.statements')}>
        <Section>
          <Empty title={t('statement.missing')}>
            <Link to="/money/statements">{t('money.statements')}</Link>
          </Empty>
        </Section>
      </MoneyFrame>
    );
  }
  const data = query.data;
  return (
    <MoneyFrame title={data ? t('statement.title', { month: data.month }) : t('money.statements')} actions={data && <Files number={number} />}>
      {query.error && !data ? (
        <ErrorNote error={query.error} onRetry={() => void query.refetch()} />
      ) : !data ? (
        <Section>
          <Loading lines={8} />
        </Section>
      ) : (
        <Detail statement={data} />
      )}
    </MoneyFrame>
  );
}

function Files({ number }: { number: number }) {
  const { t } = useTranslation();
  const lang = useLanguage();
  const at = (format: string) => `/v1/statements/${number}?${new URLSearchParams({ format, lang }).toString()}`;
  return (
    <div className="files-links">
      <a className="button" href={at('html')} target="_blank" rel="noreferrer">
        {t('statement.print')}
      </a>
      <a className="button" href={at('xlsx')} download>
        {t('statement.xlsx')}
      </a>
      <a className="button" href={at('csv')} download>
        {t('statement.csv')}
      </a>
      <a className="button" href={at('focus')} download>
        {t('statement.focus')}
      </a>
    </div>
  );
}

function Detail({ statement }: { statement: StatementDetail }) {
  const { t } = useTranslation();
  const format = useFormat();
  const money = (text: string) => format.money(text, statement.currency);
  const some = (text: string) => micros(text) !== 0n && money(text);
  const tax = statement.tax_ppm > 0 && t('statement.taxText', { amount: money(statement.tax), rate: format.number(statement.tax_ppm / 10_000, 2) });
  return (
    <div className="statement">
      <div className="phone-only">
        <Files number={statement.number} />
      </div>
      <div className="statement-sums">
        <Section title={t('statement.due')}>
          <p className="figure">{money(statement.due)}</p>
          <Facts
            items={[
              [t('statement.charges'), money(statement.charges)],
              [t('statement.refunds'), some(statement.refunds)],
              [t('statement.fees'), some(statement.fees)],
              [t('statement.corrections'), some(statement.corrections)],
              [t('statement.tax'), tax],
              [t('statement.writtenOff'), some(statement.written_off)],
              [t('statement.invoice'), statement.invoice],
            ]}
          />
        </Section>
        <Section title={t('money.balance')}>
          <Facts
            items={[
              [t('statement.opening'), money(statement.opening)],
              [t('statement.topUps'), some(statement.top_ups)],
              [t('statement.withdrawals'), some(statement.withdrawals)],
              [t('statement.grants'), some(statement.grants)],
              [t('statement.due'), `− ${money(statement.due)}`],
              [t('statement.closing'), <strong key="closing">{money(statement.closing)}</strong>],
              [t('statement.number'), <span key="name" className="mono">{statement.name}</span>],
              [t('statement.closedAt'), format.fullTime(statement.closed_at)],
            ]}
          />
        </Section>
      </div>
      <StatementParts number={statement.number} currency={statement.currency} />
      {statement.corrections_made.length > 0 && (
        <Section title={t('statement.corrections')}>
          <ul className="rows">
            {statement.corrections_made.map((one) => (
              <li key={one.transfer} className="row-facts">
                <strong>{format.money(one.amount, one.currency)}</strong>
                <span>{one.reason}</span>
                <span className="faint">{format.fullTime(one.at)}</span>
              </li>
            ))}
          </ul>
        </Section>
      )}
      <StatementJobs number={statement.number} currency={statement.currency} />
    </div>
  );
}

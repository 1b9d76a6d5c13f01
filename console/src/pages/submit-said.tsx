// What was said beside the script when a job was handed in: each option with its value, to be changed or left out.
import { Button, Input } from 'antd';
import { useTranslation } from 'react-i18next';

import { Section } from '../ui/parts';

export type SaidOptions = Record<string, string | number | boolean>;

const VALUE_MAX = 4096;

/** A switch stays one as long as it says true or false. */
const valueOf = (text: string, was: string | number | boolean): string | boolean =>
  typeof was === 'boolean' && (text === 'true' || text === 'false') ? text === 'true' : text;

export function Said({ options, onChange }: { options: SaidOptions; onChange: (options: SaidOptions) => void }) {
  const { t } = useTranslation();
  const names = Object.keys(options).sort();
  if (names.length === 0) return null;
  const without = (name: string) => onChange(Object.fromEntries(Object.entries(options).filter(([key]) => key !== name)));
  return (
    <Section title={t('submit.said')}>
      <p className="faint">{t('submit.saidHint')}</p>
      <ul className="said">
        {names.map((name) => (
          <li key={name}>
            <label>
              <span className="mono">{`--${name.replaceAll('_', '-')}`}</span>
              <Input size="small" value={String(options[name])} maxLength={VALUE_MAX} spellCheck={false} autoCapitalize="none" onChange={(event) => onChange({ ...options, [name]: valueOf(event.target.value, options[name] ?? '') })} />
            </label>
            <Button size="small" type="text" aria-label={t('submit.saidDrop', { name })} onClick={() => without(name)}>
              ✕
            </Button>
          </li>
        ))}
      </ul>
    </Section>
  );
}

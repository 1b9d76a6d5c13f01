// A state as people see it: word, shape and colour together, never colour alone.
import { useTranslation } from 'react-i18next';

import type { JobState } from '../api/types';
import { TONES } from '../lib/jobs';

const SHAPES: Record<string, string> = {
  wait: 'M8 3.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9z',
  hold: 'M5.500 4v8M10.500 4v8',
  run: 'M5 3.500v9l7-4.500z',
  good: 'M3.500 8.500l3 3 6-7',
  bad: 'M4 4l8 8M12 4l-8 8',
  off: 'M4 8h8',
};

export function StateTag({ state }: { state: JobState }) {
  const { t } = useTranslation();
  const tone = TONES[state] ?? 'off';
  return (
    <span className={`state state-${tone}`} title={state}>
      <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false" className={tone === 'run' ? 'filled' : undefined}>
        <path d={SHAPES[tone]} />
      </svg>
      {t(`state.${state}`, { defaultValue: state })}
    </span>
  );
}

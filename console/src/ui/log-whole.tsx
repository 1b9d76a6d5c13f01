// Looks for a text in the whole output of a job, also in what is not loaded: the server reads it, this shows the lines.
import { Button } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { type ApiProblem, asProblem } from '../api/problem';
import type { Job, LogFound, LogPlace } from '../api/types';
import { useFormat } from './hooks';
import type { LogStream } from './log-view';

/** Places that are listed; a text found more often says so. */
const PLACES_MAX = 200;

type State = { places: LogPlace[]; done: number; size: number; over: boolean } | { refused: ApiProblem };

interface Props {
  job: Job;
  stream: LogStream;
  text: string;
  onShow: (offset: number) => void;
  onClose: () => void;
}

export function LogWhole({ job, stream, text, onShow, onClose }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const [state, setState] = useState<State>({ places: [], done: 0, size: 0, over: false });
  const panel = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const control = new AbortController();
    const look = async () => {
      const places: LogPlace[] = [];
      for (let from: number | null | undefined = 0; from != null && places.length < PLACES_MAX; ) {
        const query: { stream: LogStream; text: string; from: number; limit: number } = { stream, text, from, limit: PLACES_MAX - places.length };
        const found: LogFound = await unwrap(api.GET('/v1/jobs/{job}/logs/find', { params: { path: { job: job.id }, query }, signal: control.signal }));
        places.push(...found.places);
        from = found.next;
        setState({ places: [...places], done: from ?? found.size, size: found.size, over: from == null });
      }
    };
    look().catch((error: unknown) => {
      if (!control.signal.aborted) setState({ refused: asProblem(error) });
    });
    return () => control.abort();
  }, [job.id, stream, text]);
  useEffect(() => panel.current?.scrollIntoView({ block: 'nearest' }), []);

  if ('refused' in state) {
    return (
      <p className="pad bad-text" role="alert">
        {t('log.refused', { why: t(`error.${state.refused.code}`, { defaultValue: state.refused.detail }) })}
      </p>
    );
  }
  const { places, done, size, over } = state;
  const full = places.length >= PLACES_MAX;
  const told = full ? t('log.wholeFirst', { n: format.number(places.length) }) : over ? (places.length === 0 ? t('log.wholeNone') : t('log.found', { count: places.length, n: format.number(places.length) })) : t('log.wholeLooking', { done: format.bytes(done), size: format.bytes(size) });
  return (
    <div ref={panel} className="log-whole">
      <div className="log-whole-head">
        <span role="status">{told}</span>
        <Button size="small" type="text" onClick={onClose}>
          {t('log.wholeClose')}
        </Button>
      </div>
      <ul>
        {places.map((place) => (
          <li key={place.offset}>
            <button type="button" onClick={() => onShow(place.offset)}>
              <span className="faint">{format.bytes(place.offset)}</span>
              <code>{place.line}</code>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

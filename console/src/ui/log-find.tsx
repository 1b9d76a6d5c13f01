// Finds a text in the part of a log that is loaded: all places marked by the browser's own highlights, so that a log of
// megabytes keeps its nodes; the one looked at comes into view.
import { Button, Input } from 'antd';
import { type RefObject, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useFormat, useSettled } from './hooks';
import { BackIcon, NextIcon } from './icons';

/** Places marked; a text found more often says so. */
const FOUND_MAX = 5000;
const AFTER_MS = 150;
const ALL = 'hw-found';
const NOW = 'hw-found-now';

interface Place {
  range: Range;
  /** Characters of the whole text before it. */
  before: number;
}

/** Places of a text within the text nodes of an element, upper and lower case alike. */
function placesOf(element: HTMLElement, wanted: string): Place[] {
  const found: Place[] = [];
  let before = 0;
  const small = wanted.toLowerCase();
  const walk = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node && found.length < FOUND_MAX; node = walk.nextNode()) {
    if (!node.parentElement?.closest('.log-block')) continue;
    const text = (node.textContent ?? '').toLowerCase();
    for (let at = text.indexOf(small); at >= 0 && found.length < FOUND_MAX; at = text.indexOf(small, at + small.length)) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + small.length);
      found.push({ range, before: before + at });
    }
    before += text.length;
  }
  return found;
}

const marked = (): HighlightRegistry | undefined => (typeof CSS !== 'undefined' && 'highlights' in CSS ? CSS.highlights : undefined);

interface Props {
  box: RefObject<HTMLDivElement | null>;
  /** Changes with the text of the log. */
  version: unknown;
  /** A place to go to, once: characters before it. */
  place?: { before: number } | undefined;
  /** Offered where not all of the output is loaded. */
  onWhole?: ((text: string) => void) | undefined;
  /** Called when a place comes into view: following the end would take it away again. */
  onShow: () => void;
}

export function LogFind({ box, version, place, onWhole, onShow }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const [typed, setTyped] = useState('');
  const wanted = useSettled(typed, AFTER_MS);
  const [found, setFound] = useState<Place[]>([]);
  const [at, setAt] = useState(-1);
  const show = useRef(onShow);
  show.current = onShow;

  useEffect(() => {
    const places = wanted.trim() !== '' && box.current ? placesOf(box.current, wanted) : [];
    setFound(places);
    if (typeof Highlight !== 'undefined') marked()?.set(ALL, new Highlight(...places.map(({ range }) => range)));
    return () => void marked()?.delete(ALL);
  }, [wanted, version, box]);
  // The last place is the newest: where one begins.
  useEffect(() => setAt(-1), [wanted]);

  const goTo = (next: number) => {
    const range = found[next]?.range;
    if (!range) return;
    setAt(next);
    if (typeof Highlight !== 'undefined') marked()?.set(NOW, new Highlight(range));
    show.current();
    const element = box.current;
    if (!element) return;
    const place = range.getBoundingClientRect();
    const frame = element.getBoundingClientRect();
    element.scrollTop += place.top - frame.top - frame.height / 2;
    if (place.left < frame.left || place.right > frame.right) element.scrollLeft += place.left - frame.left - frame.width / 3;
  };
  const go = (step: 1 | -1) => {
    if (found.length > 0) goTo(at < 0 ? (step < 0 ? found.length - 1 : 0) : (at + step + found.length) % found.length);
  };
  const gone = useRef<unknown>(undefined);
  useEffect(() => {
    if (!place || place === gone.current || found.length === 0) return;
    gone.current = place;
    const away = found.map(({ before }) => Math.abs(before - place.before));
    goTo(away.indexOf(Math.min(...away)));
  });
  return (
    <form
      className="log-find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(1);
      }}
    >
      <Input size="small" allowClear value={typed} maxLength={200} spellCheck={false} aria-label={t('log.find')} placeholder={t('log.find')} onChange={(event) => setTyped(event.target.value)} />
      {wanted.trim() !== '' && (
        <span className="faint" role="status">
          {found.length === 0 ? t('log.foundNone') : at < 0 ? t('log.found', { count: found.length, n: format.number(found.length) }) : t('log.foundAt', { at: format.number(at + 1), n: format.number(found.length) })}
        </span>
      )}
      {found.length > 0 && (
        <>
          <Button size="small" type="text" icon={<BackIcon />} aria-label={t('log.before')} onClick={() => go(-1)} />
          <Button size="small" type="text" htmlType="submit" icon={<NextIcon />} aria-label={t('log.next')} />
        </>
      )}
      {onWhole && wanted.trim() !== '' && (
        <Button size="small" type="text" onClick={() => onWhole(wanted)}>
          {t('log.whole')}
        </Button>
      )}
    </form>
  );
}

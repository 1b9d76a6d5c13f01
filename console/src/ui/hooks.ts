// Small hooks that several pages share: formatting in the reader's language, the time, the width of the screen.
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';

import { type Format, type Language, localeOf, makeFormat } from '../lib/format';

export function useLanguage(): Language {
  return useTranslation().i18n.language === 'zh' ? 'zh' : 'en';
}

export function useFormat(): Format {
  const language = useLanguage();
  return useMemo(() => makeFormat(language, localeOf(language, navigator.languages)), [language]);
}

/** The one of the server's two texts that the reader reads. */
export function useText(): (both: { text_en: string; text_zh: string }) => string {
  const language = useLanguage();
  return (both) => (language === 'zh' ? both.text_zh : both.text_en);
}

/** Milliseconds since 1970, renewed every `everyMs` while the page is looked at. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

const phone = window.matchMedia('(max-width: 700px)');
const subscribe = (tell: () => void) => {
  phone.addEventListener('change', tell);
  return () => phone.removeEventListener('change', tell);
};
export const usePhone = (): boolean => useSyncExternalStore(subscribe, () => phone.matches);

/** The value once it has not changed for a while: for questions asked while typing. */
export function useSettled<T>(value: T, afterMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs);
    return () => clearTimeout(timer);
  }, [value, afterMs]);
  return settled;
}

/** Names the browser's tab. */
export function useTitle(title: string): void {
  const brand = useTranslation().t('brand');
  useEffect(() => {
    document.title = title ? `${title} · ${brand}` : brand;
  }, [title, brand]);
}

/** Whether an element's content is wider than itself: then it scrolls, and the keyboard has to reach it. */
export function useWider(): [(element: HTMLElement | null) => void, boolean] {
  const [wide, setWide] = useState(false);
  const [element, setElement] = useState<HTMLElement | null>(null);
  useEffect(() => {
    if (!element) return undefined;
    const look = () => setWide(element.scrollWidth > element.clientWidth);
    const observer = new ResizeObserver(look);
    observer.observe(element);
    if (element.firstElementChild) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, wide];
}

// The one catalogue of the page's texts, both languages at hand so that switching is instant. Remembers the choice.
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';

import type { Language } from '../lib/format';
import { en, zh } from './catalogue';

const STORED = 'hw.language';

export const isLanguage = (text: unknown): text is Language => text === 'en' || text === 'zh';

/** The language chosen before, or the first of the browser's that we have. */
export function firstLanguage(stored: string | null, preferred: readonly string[]): Language {
  if (isLanguage(stored)) return stored;
  return preferred.map((tag) => tag.toLowerCase().split('-')[0]).find(isLanguage) ?? 'en';
}

const mark = (language: string) => {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
};

export function startI18n(): void {
  const lng = firstLanguage(localStorage.getItem(STORED), navigator.languages);
  void i18next.use(initReactI18next).init({
    lng,
    fallbackLng: 'en',
    resources: { en: { translation: en }, zh: { translation: zh } },
    interpolation: { escapeValue: false },
  });
  mark(lng);
  i18next.on('languageChanged', (language) => {
    localStorage.setItem(STORED, language);
    mark(language);
  });
}

// Light and dark: the reader's choice or the system's, one set of colours for our own styles and antd's.
import { ConfigProvider, theme as antd } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { type ReactNode, useEffect, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';

export type ThemeChoice = 'system' | 'light' | 'dark';

const STORED = 'hw.theme';
const listeners = new Set<() => void>();
const system = window.matchMedia('(prefers-color-scheme: dark)');
system.addEventListener('change', () => listeners.forEach((tell) => tell()));

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};

export function themeChoice(): ThemeChoice {
  const stored = localStorage.getItem(STORED);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export function chooseTheme(choice: ThemeChoice): void {
  if (choice === 'system') localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, choice);
  listeners.forEach((tell) => tell());
}

const isDark = (): boolean => {
  const choice = themeChoice();
  return choice === 'dark' || (choice === 'system' && system.matches);
};

export const useThemeChoice = (): ThemeChoice => useSyncExternalStore(subscribe, themeChoice);

/** Applied before the first paint of the app. */
export const applyTheme = (): void => {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
};

// The same values as in styles.css; antd computes shades from them, so they cannot be CSS variables here.
const LIGHT = { colorPrimary: '#0b6485', colorBgContainer: '#ffffff', colorBgElevated: '#ffffff', colorBgLayout: '#f3f6f8', colorTextBase: '#13212b', colorError: '#a3211a', colorBorder: '#82939f' };
const DARK = { colorPrimary: '#4fb6d8', colorBgContainer: '#141d24', colorBgElevated: '#1e2a33', colorBgLayout: '#0e151b', colorTextBase: '#e4ecf1', colorError: '#ff8f85', colorBorder: '#627684' };

export function Theme({ children }: { children: ReactNode }) {
  const { i18n } = useTranslation();
  const dark = useSyncExternalStore(subscribe, isDark);
  useEffect(applyTheme, [dark]);
  return (
    <ConfigProvider
      locale={i18n.language === 'zh' ? zhCN : enUS}
      button={{ autoInsertSpace: false }}
      theme={{
        algorithm: dark ? antd.darkAlgorithm : antd.defaultAlgorithm,
        token: {
          ...(dark ? DARK : LIGHT),
          borderRadius: 7,
          fontSize: 14,
          controlHeight: 36,
          controlHeightSM: 30,
          wireframe: false,
          fontFamily: 'inherit',
          colorTextPlaceholder: dark ? '#93a5b1' : '#5a6b77',
          motionDurationMid: '0.12s',
          motionDurationSlow: '0.16s',
        },
        components: { Button: { primaryShadow: 'none', defaultShadow: 'none', dangerShadow: 'none', primaryColor: dark ? '#06222d' : '#ffffff' } },
      }}
    >
      {children}
    </ConfigProvider>
  );
}

// Page tests in Debian's Chromium, against the server that HW_URL names or, without one, the mock server over dist.
import { defineConfig } from '@playwright/test';

const url = process.env.HW_URL ?? 'http://127.0.0.1:7470';

// A server with a closed month of many jobs has tests of its own.
const month = Boolean(process.env.HW_MONTH);

export default defineConfig({
  testDir: 'e2e',
  ...(month ? { testMatch: '**/month.spec.ts' } : { testIgnore: '**/month.spec.ts' }),
  outputDir: process.env.HW_E2E_OUT ?? '/tmp/headworks-e2e',
  reporter: 'line',
  workers: 1,
  // Bounds against what never comes, on a machine that other work keeps busy; nothing waits them out.
  timeout: 180_000,
  expect: { timeout: 20_000 },
  use: {
    baseURL: url,
    locale: 'en-US',
    timezoneId: 'Asia/Shanghai',
    launchOptions: {
      executablePath: process.env.HW_CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    },
  },
  ...(process.env.HW_URL ? {} : { webServer: { command: 'node dev/mock.mjs 7470', url, reuseExistingServer: false } }),
});

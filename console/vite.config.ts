// Build of the page: everything lands in dist/assets with a hash in its name, so that the server may call it immutable.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = process.env.HW_URL ?? 'http://127.0.0.1:7460';

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    // Nothing becomes a data: address; the content security policy can then name 'self' alone.
    assetsInlineLimit: 0,
    // dev/pack.mjs states the sizes that matter (gzip); Vite's own limit counts raw bytes of one chunk.
    chunkSizeWarningLimit: 2000,
    reportCompressedSize: false,
    manifest: 'assets/manifest.json',
  },
  server: { proxy: { '/v1': { target: server, changeOrigin: true } } },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'], environment: 'node' },
});

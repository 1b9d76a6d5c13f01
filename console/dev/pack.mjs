// Lays a compressed copy beside each built file (the server sends it to those who take gzip), says how many compressed
// bytes the first load of the home page takes, and refuses a build above the limit.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Compressed bytes a first visit to the home page may cost: 400 kB, under two seconds at 2 Mbit/s. */
const FIRST_LOAD_MAX_BYTES = 400_000;

const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('assets/manifest.json', dist), 'utf8'));
// The manifest is for this program, not for browsers.
rmSync(new URL('assets/manifest.json', dist));
const sizes = new Map();
for (const name of readdirSync(dist, { recursive: true }).filter((file) => /\.(js|css|html|svg)$/.test(file))) {
  const packed = gzipSync(readFileSync(new URL(name, dist)), { level: 9 });
  writeFileSync(new URL(`${name}.gz`, dist), packed);
  sizes.set(name.replaceAll('\\', '/'), packed.length);
}
const size = (file) => sizes.get(file);

/** The files a chunk needs at once: itself, what it imports statically, its style sheets. */
function closure(key, files = new Set()) {
  const chunk = manifest[key];
  if (files.has(chunk.file)) return files;
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const next of chunk.imports ?? []) closure(next, files);
  return files;
}

const sum = (files) => [...files].reduce((total, file) => total + size(file), 0);
const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const entry = closure('index.html');
const pages = Object.keys(manifest).filter((key) => key.startsWith('src/pages/'));
console.log(`shell ${kb(sum(entry))} gzip`);
for (const key of pages.sort()) {
  const extra = [...closure(key)].filter((file) => !entry.has(file));
  console.log(`  + ${key.slice('src/pages/'.length).padEnd(12)} ${kb(sum(extra))}`);
}
const first = sum(closure('src/pages/home.tsx', closure('index.html'))) + size('index.html');
console.log(`first load of the home page: ${kb(first)} gzip (limit ${kb(FIRST_LOAD_MAX_BYTES)})`);
if (first > FIRST_LOAD_MAX_BYTES) process.exit(1);

// What pages read from a policy document, which is TOML as the server prints it, and the difference of two texts line by line.

export interface Link {
  a: string;
  b: string;
  latency?: string | undefined;
  /** Mbit/s. */
  bandwidth?: number | undefined;
  /** Of a GiB. */
  price?: string | undefined;
}

const bare = (text: string): string => text.trim().replace(/^"(.*)"$/, '$1');
/** `links.between.shanghai."site 2"` in its parts. */
const parts = (path: string): string[] => [...path.matchAll(/"([^"]*)"|([^."\s]+)/g)].map((m) => m[1] ?? m[2] ?? '');

/** Tables of a document with their plain values; lists and inline tables stay texts. */
function tables(document: string): Map<string, Map<string, string>> {
  const out = new Map<string, Map<string, string>>([['', new Map()]]);
  let table = out.get('') as Map<string, string>;
  for (const line of document.split('\n')) {
    const head = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line);
    if (head) {
      const name = parts(head[1] as string).join('\u0000');
      table = out.get(name) ?? new Map();
      out.set(name, table);
      continue;
    }
    const pair = /^\s*("[^"]+"|[\w-]+)\s*=\s*(.+?)\s*$/.exec(line);
    if (pair) table.set(bare(pair[1] as string), pair[2] as string);
  }
  return out;
}

/** The links between sites that a policy knows. */
export function linksOf(document: string): Link[] {
  return [...tables(document)].flatMap(([name, values]): Link[] => {
    const [links, between, a, b] = name.split('\u0000');
    if (links !== 'links' || between !== 'between' || !a || !b) return [];
    const bandwidth = Number(values.get('bandwidth_mbit_s'));
    const text = (key: string) => (values.has(key) ? bare(values.get(key) as string) : undefined);
    const [latency, price] = [text('latency'), text('gib_price')];
    // Zero is what a document prints where nobody said anything.
    return [{ a, b, latency: latency && !/^0\D*$/.test(latency) ? latency : undefined, bandwidth: bandwidth > 0 ? bandwidth : undefined, price: price && Number(price) > 0 ? price : undefined }];
  });
}

export interface DiffLine {
  kind: 'same' | 'old' | 'new';
  text: string;
}

/** Lines of a document that are compared at most; a policy has a few hundred, the table grows with their product. */
const LINES_MAX = 3000;

/** The shortest way from one text to the other in lines that stay, go and come (longest common subsequence). */
export function diff(from: string, to: string): DiffLine[] {
  const [a, b] = [from.trimEnd().split('\n'), to.trimEnd().split('\n')];
  if (a.length > LINES_MAX || b.length > LINES_MAX) return [...a.map((text): DiffLine => ({ kind: 'old', text })), ...b.map((text): DiffLine => ({ kind: 'new', text }))];
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] = a[i] === b[j] ? (common[(i + 1) * width + j + 1] as number) + 1 : Math.max(common[(i + 1) * width + j] as number, common[i * width + j + 1] as number);
  const out: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ kind: 'same', text: a[i++] as string });
      j++;
    } else if (i < a.length && (j === b.length || (common[(i + 1) * width + j] as number) >= (common[i * width + j + 1] as number))) {
      out.push({ kind: 'old', text: a[i++] as string });
    } else {
      out.push({ kind: 'new', text: b[j++] as string });
    }
  }
  return out;
}

/** Changed lines with so many lines around them; each gap is one entry without lines. */
export function hunks(lines: readonly DiffLine[], around = 2): (DiffLine | { kind: 'gap'; count: number })[] {
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - around), at + around + 1).some(({ kind }) => kind !== 'same'));
  const out: (DiffLine | { kind: 'gap'; count: number })[] = [];
  lines.forEach((line, at) => {
    const last = out.at(-1);
    if (near[at]) out.push(line);
    else if (last?.kind === 'gap') last.count++;
    else out.push({ kind: 'gap', count: 1 });
  });
  return out;
}

// The part of a job's output that the page keeps: whole blocks of lines, the oldest given up past a limit.
// Knows text and byte offsets, not where they come from.

/** Characters kept: 4 Mi, some 8 MiB of memory and about 50,000 lines. */
export const LOG_CHARS_MAX = 4 * 1024 * 1024;
/** Characters of a block: a screen or three; React and the browser lay out only the blocks in view. */
const BLOCK_CHARS = 16 * 1024;

export interface LogBlock {
  key: number;
  text: string;
}

export interface LogText {
  blocks: readonly LogBlock[];
  chars: number;
  /** Offset in the file of the first byte kept; above zero: something before it is not shown. */
  from: number;
  nextKey: number;
}

export const emptyLog = (from = 0): LogText => ({ blocks: [], chars: 0, from, nextKey: 0 });

const utf8 = new TextEncoder();

/** Colours and cursor movements of terminals (ECMA-48 CSI, OSC) are not text. */
// eslint-disable-next-line no-control-regex
const CONTROL = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** A line as a terminal would leave it: what stands after the last carriage return. */
export const settle = (text: string): string =>
  text
    .replace(CONTROL, '')
    .replace(/\r\n/g, '\n')
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\r', line.length - 2) + 1))
    .join('\n');

/** The log with `text` after it. Blocks that are full stay the same objects. */
export function append(log: LogText, text: string, charsMax = LOG_CHARS_MAX): LogText {
  if (text === '') return log;
  const blocks = [...log.blocks];
  let { from, chars, nextKey } = log;
  const last = blocks.at(-1);
  let rest = text;
  if (last && last.text.length < BLOCK_CHARS) {
    rest = last.text + text;
    blocks.pop();
    chars -= last.text.length;
    nextKey = last.key;
  }
  while (rest !== '') {
    // A block ends at a line's end where there is one after its fair size.
    const end = rest.length <= BLOCK_CHARS ? -1 : rest.indexOf('\n', BLOCK_CHARS - 1);
    const piece = end < 0 ? rest.slice(0, 4 * BLOCK_CHARS) : rest.slice(0, Math.min(end + 1, 4 * BLOCK_CHARS));
    blocks.push({ key: nextKey++, text: piece });
    chars += piece.length;
    rest = rest.slice(piece.length);
  }
  while (chars > charsMax && blocks.length > 1) {
    const [first] = blocks.splice(0, 1) as [LogBlock];
    chars -= first.text.length;
    from += utf8.encode(first.text).length;
  }
  return { blocks, chars, from, nextKey };
}

/** The log with `text`, which begins at byte `from` of the file, before it. */
export function prepend(log: LogText, text: string, from: number): LogText {
  const key = (log.blocks[0]?.key ?? 0) - 1;
  return { ...log, blocks: [{ key, text }, ...log.blocks], chars: log.chars + text.length, from };
}

export const wholeText = (log: LogText): string => log.blocks.map((block) => block.text).join('');

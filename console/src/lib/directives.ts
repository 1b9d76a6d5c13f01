// The #SBATCH lines of a script as fields: reads one option's value, and writes it back into the text, which stays the truth.

/** Options that have a field, with their short names. */
export const OPTIONS = {
  'job-name': 'J',
  nodes: 'N',
  ntasks: 'n',
  'cpus-per-task': 'c',
  mem: '',
  gpus: 'G',
  time: 't',
  partition: 'p',
  array: 'a',
} as const;
export type Option = keyof typeof OPTIONS;

const LINE = /^#SBATCH\b/;

/** Finds the option within a line: what stands before, the value, what follows. */
function within(line: string, option: Option): { before: string; value: string; after: string } | undefined {
  if (!LINE.test(line)) return undefined;
  const short = OPTIONS[option];
  const names = [`--${option}(?:=|[ \\t]+)`, ...(short ? [`-${short}[ \\t]*=?`] : [])].join('|');
  const found = new RegExp(`^(#SBATCH\\b.*?[ \\t])((?:${names}))("[^"]*"|'[^']*'|[^\\s#]\\S*)(.*)$`).exec(line);
  if (!found) return undefined;
  const [, before = '', name = '', value = '', after = ''] = found;
  // A name within a comment is no option.
  if (/[ \t]#/.test(before)) return undefined;
  return { before: before + name, value, after };
}

/** Lines up to the first command; later ones are not read by the server either. */
function headEnd(lines: readonly string[]): number {
  const end = lines.findIndex((line) => line.trim() !== '' && !line.startsWith('#'));
  return end < 0 ? lines.length : end;
}

export function optionOf(script: string, option: Option): string {
  const lines = script.split('\n');
  const head = lines.slice(0, headEnd(lines));
  // The last one wins, as it does for the server.
  for (const line of head.reverse()) {
    const found = within(line, option);
    if (found) return found.value.replace(/^(["'])(.*)\1$/, '$2');
  }
  return '';
}

const quoted = (value: string): string => (/[\s#"']/.test(value) ? `"${value.replaceAll('"', '')}"` : value);

/** The script with the option set; an empty value takes its line away. */
export function withOption(script: string, option: Option, value: string): string {
  const lines = script === '' ? ['#!/bin/bash'] : script.split('\n');
  const end = headEnd(lines);
  for (let i = end - 1; i >= 0; i--) {
    const found = within(lines[i] as string, option);
    if (!found) continue;
    if (value !== '') lines[i] = found.before + quoted(value) + found.after;
    else {
      const rest = found.before.replace(/--?[\w-]+[ \t=]*$/, '') + found.after.trimStart();
      if (/^#SBATCH\s*(#.*)?$/.test(rest)) lines.splice(i, 1);
      else lines[i] = rest.trimEnd();
    }
    return lines.join('\n');
  }
  if (value === '') return script;
  const last = lines.slice(0, end).reduce((at, line, i) => (LINE.test(line) || (i === 0 && line.startsWith('#!')) ? i : at), -1);
  lines.splice(last + 1, 0, `#SBATCH --${option}=${quoted(value)}`);
  // A script begun by a field ends with a line of its own.
  return script === '' ? `${lines.join('\n')}\n\n` : lines.join('\n');
}

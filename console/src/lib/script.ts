// A job script as the editor shows it: which part of a line is what. Knows the look of #SBATCH lines, not their meaning.

export type Piece = { kind: 'text' | 'comment' | 'directive' | 'option' | 'value'; text: string };

const DIRECTIVE = /^(#(?:SBATCH|HW)\b)(.*)$/;
const OPTION = /(\s+)|(--?[A-Za-z][\w-]*)|(#.*$)|([^\s]+)/g;

/** The pieces of one line; joined, they are the line again. */
export function pieces(line: string): Piece[] {
  const found = DIRECTIVE.exec(line);
  if (!found) {
    const comment = /^\s*#/.test(line);
    return line === '' ? [] : [{ kind: comment ? 'comment' : 'text', text: line }];
  }
  const out: Piece[] = [{ kind: 'directive', text: found[1] ?? '' }];
  for (const part of (found[2] ?? '').matchAll(OPTION)) {
    const [text, space, option, comment] = part;
    out.push({ kind: space ? 'text' : option ? 'option' : comment ? 'comment' : 'value', text });
  }
  return out;
}

/** Size of a script the server takes: 4 MiB. */
export const SCRIPT_BYTES_MAX = 4 * 1024 * 1024;

export const SAMPLE = `#!/bin/bash
#SBATCH --job-name=hello
#SBATCH --ntasks=1
#SBATCH --mem=256M
#SBATCH --time=5

echo "Hello from $(hostname)"
for i in 1 2 3 4 5; do
    echo "step $i of 5"
    sleep 1
done
`;

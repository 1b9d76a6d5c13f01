import { describe, expect, test } from 'vitest';

import { OPTIONS, type Option, optionOf, withOption } from './directives';

const SCRIPT = '#!/bin/bash\n#SBATCH --job-name=melt --ntasks 4  # tasks\n#SBATCH -t 30\n#SBATCH -c2\n# --mem=1G\n\nsrun lmp\n#SBATCH --mem=9G\n';

describe('reading', () => {
  test.each([
    ['job-name', 'melt'],
    ['ntasks', '4'],
    ['time', '30'],
    ['cpus-per-task', '2'],
    ['mem', ''],
    ['partition', ''],
  ] as [Option, string][])('%s is %s', (option, value) => expect(optionOf(SCRIPT, option)).toBe(value));
  test('the last one wins, quotes are no part of it', () => {
    expect(optionOf('#!/bin/sh\n#SBATCH --mem=1G\n#SBATCH --mem="2G"\n', 'mem')).toBe('2G');
  });
});

describe('writing', () => {
  test('what is written is read again, and the rest stays', () => {
    for (const option of Object.keys(OPTIONS) as Option[]) {
      const changed = withOption(SCRIPT, option, '7');
      expect(optionOf(changed, option)).toBe('7');
      expect(changed).toContain('srun lmp\n#SBATCH --mem=9G\n');
      for (const other of Object.keys(OPTIONS) as Option[]) if (other !== option) expect(optionOf(changed, other)).toBe(optionOf(SCRIPT, other));
    }
  });
  test('a comment behind it stays', () => {
    expect(withOption(SCRIPT, 'ntasks', '8')).toContain('#SBATCH --job-name=melt --ntasks 8  # tasks');
  });
  test('an empty value takes it away, and a line that was for it alone', () => {
    expect(withOption(SCRIPT, 'time', '')).not.toContain('-t');
    expect(withOption(SCRIPT, 'job-name', '')).toContain('#SBATCH --ntasks 4  # tasks');
    expect(withOption(SCRIPT, 'mem', '')).toBe(SCRIPT);
  });
  test('new ones stand behind the others, and a script may begin with one', () => {
    expect(withOption(SCRIPT, 'mem', '4G')).toContain('#SBATCH -c2\n#SBATCH --mem=4G\n# --mem=1G');
    expect(withOption('', 'job-name', 'two words')).toBe('#!/bin/bash\n#SBATCH --job-name="two words"\n\n');
    expect(withOption('echo hi\n', 'ntasks', '2')).toBe('#SBATCH --ntasks=2\necho hi\n');
  });
});

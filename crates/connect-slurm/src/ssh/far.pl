# Runs programs for whoever writes to it, one after the other: what the shell that starts it would do with a line for each, without a
# shell, and without its copies of itself. A request is `WORDS INPUT` (sizes in bytes, no input: -1) and a newline, then the words, each
# closed by a zero: how many variables, the variables, the program, its arguments; then the input. An answer is the mark, the exit code
# (-1: by a signal), two sizes and a newline, then both outputs: one piece, as a second small packet would wait 40 ms for the first.
use strict;
my $mark = shift;
my $buffer = "";
my $most = 200 << 20;
binmode STDIN;
binmode STDOUT;
$SIG{PIPE} = "IGNORE";

sub more { sysread(STDIN, $buffer, 1 << 16, length $buffer) or exit }
sub take { my $size = shift; more() while length $buffer < $size; return substr($buffer, 0, $size, "") }
sub put {
  my ($to, $bytes) = @_;
  for (my $at = 0; $at < length $bytes;) { $at += syswrite($to, $bytes, length($bytes) - $at, $at) || exit }
}

sub run {
  my ($input, $count, @words) = @_;
  my @variables = splice @words, 0, $count;
  my ($from, $feed, $out, $out_end, $err, $err_end);
  pipe($out, $out_end) && pipe($err, $err_end) && pipe($from, $feed) or return (126, "", "pipe: $!\n");
  my $pid = fork;
  return (126, "", "fork: $!\n") unless defined $pid;
  if (!$pid) {
    open(STDIN, defined $input ? "<&" . fileno $from : "</dev/null");
    open(STDOUT, ">&" . fileno $out_end);
    open(STDERR, ">&" . fileno $err_end);
    $SIG{PIPE} = "DEFAULT";
    for (@variables) { my ($name, $value) = split /=/, $_, 2; $ENV{$name} = $value }
    { no warnings; exec { $words[0] } @words }
    syswrite STDERR, "$words[0]: $!\n";
    require POSIX;
    POSIX::_exit(127);
  }
  close $_ for $out_end, $err_end, $from;
  my ($at, @said) = (0, "", "");
  my @open = ($out, $err);
  undef $feed unless length(defined $input ? $input : "");
  # Not to wait where a pipe is full (F_SETFL, O_WRONLY with O_NONBLOCK as Linux counts them): it then takes all it has room for
  # at once, 64 KiB, which is a whole script without waking up for each page of it.
  fcntl $feed, 4, 1 | 2048 if $feed;
  while (grep { $_ } @open) {
    my ($read, $write) = ("", "");
    vec($read, fileno $_, 1) = 1 for grep { $_ } @open;
    vec($write, fileno $feed, 1) = 1 if $feed;
    select($read, $write, undef, undef) > 0 or next;
    if ($feed && vec($write, fileno $feed, 1)) {
      my $sent = syswrite $feed, $input, length($input) - $at, $at;
      # 11 is EAGAIN: there is room again later. Anything else: nobody reads any more.
      undef $feed if defined $sent ? ($at += $sent) >= length $input : $! != 11;
    }
    for my $which (0, 1) {
      my $stream = $open[$which];
      next unless $stream && vec($read, fileno $stream, 1);
      my $got = sysread $stream, $said[$which], 1 << 16, length $said[$which];
      undef $open[$which] if !$got || length $said[$which] > $most;
    }
  }
  waitpid $pid, 0;
  return ($? & 127 ? -1 : $? >> 8, @said);
}

put(*STDOUT, "\n${mark}7\n");
put(*STDERR, "\n${mark}0\n");
for (;;) {
  my $end;
  more() while ($end = index $buffer, "\n") < 0;
  my ($size, $input_size) = split / /, take($end + 1);
  my $words = take($size);
  my $input = $input_size < 0 ? undef : take($input_size);
  chop $words;
  my ($code, $out, $err) = run($input, split(/\0/, $words, -1));
  put(*STDOUT, "$mark$code " . length($out) . " " . length($err) . "\n$out$err");
}

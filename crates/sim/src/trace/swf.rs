//! The Standard Workload Format, version 2.2: reading as a stream, writing. Source: D. Feitelson et al., the Parallel Workloads
//! Archive's definition of the format. Knows no file and no compression.

use std::fmt::Write as _;
use std::io::{BufRead, Write};

use super::{BadLine, Header, LineFault, OnBad, Record, Trace, TraceError, Wanted, excerpt};

const FIELDS: usize = 18;

/// Names of the fields, for messages, in the order of the format.
const NAMES: [&str; FIELDS] = [
    "job number",
    "submit time",
    "wait time",
    "run time",
    "allocated processors",
    "average CPU time",
    "used memory",
    "requested processors",
    "requested time",
    "requested memory",
    "status",
    "user",
    "group",
    "application",
    "queue",
    "partition",
    "preceding job",
    "think time",
];

/// A stream of records. Comment lines collect in [`Reader::header`], lines passed over in [`Reader::bad`].
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    on_bad: OnBad,
    line: Vec<u8>,
    number: u64,
    header: Header,
    bad: Vec<BadLine>,
}

impl<R: BufRead> Reader<R> {
    pub const fn new(input: R, on_bad: OnBad) -> Self {
        Self { input, on_bad, line: Vec::new(), number: 0, header: Header { lines: Vec::new() }, bad: Vec::new() }
    }
    /// Comment lines read so far; all of the header once the first record is there.
    pub const fn header(&self) -> &Header {
        &self.header
    }
    /// Lines passed over so far.
    pub fn bad(&self) -> &[BadLine] {
        &self.bad
    }

    fn advance(&mut self) -> Result<Option<Record>, TraceError> {
        loop {
            self.line.clear();
            if self.input.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let line = self.line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if line[0] == b';' {
                // Old traces are Latin-1 here and there; a name in a comment is not worth refusing a trace for.
                self.header.lines.push(String::from_utf8_lossy(line).into_owned());
                continue;
            }
            match record(line) {
                Ok(record) => return Ok(Some(record)),
                Err(fault) => {
                    let bad = BadLine { line: self.number, fault };
                    match self.on_bad {
                        OnBad::Refuse => return Err(bad.into()),
                        OnBad::Skip => self.bad.push(bad),
                    }
                }
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, TraceError>;
    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// Reads a whole trace.
///
/// # Errors
/// When the input cannot be read, or at the first line that makes no sense where those are refused.
pub fn read(input: impl BufRead, on_bad: OnBad) -> Result<Trace, TraceError> {
    let mut reader = Reader::new(input, on_bad);
    let mut records = Vec::new();
    while let Some(record) = reader.advance()? {
        records.push(record);
    }
    Ok(Trace { header: reader.header, records, bad: reader.bad })
}

fn record(line: &[u8]) -> Result<Record, LineFault> {
    let mut fields = [&line[..0]; FIELDS];
    let mut found = 0;
    for field in line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()) {
        if let Some(place) = fields.get_mut(found) {
            *place = field;
        }
        found += 1;
    }
    if found != FIELDS {
        return Err(LineFault::Fields { found, wanted: FIELDS });
    }
    let whole = |at: usize| whole(fields[at]).map_err(|()| fault(at, fields[at]));
    let seconds = |at: usize| Ok(whole(at)?.map(|n| i64::try_from(n).unwrap_or(i64::MAX / 4)));
    let small = |at: usize| {
        let number = whole(at)?;
        number.map(|n| u32::try_from(n).map_err(|_| fault(at, fields[at]))).transpose()
    };
    Ok(Record {
        job: whole(0)?.ok_or(LineFault::Value {
            field: NAMES[0],
            text: excerpt(fields[0]),
            wanted: Wanted::JobNumber,
        })?,
        submit_s: seconds(1)?,
        wait_s: seconds(2)?,
        run_s: seconds(3)?,
        procs_allocated: small(4)?,
        cpu_s: decimal(fields[5]).map_err(|()| fault(5, fields[5]))?,
        memory_used_kib: whole(6)?,
        procs_requested: small(7)?,
        estimate_s: seconds(8)?,
        memory_requested_kib: whole(9)?,
        status: small(10)?,
        user: small(11)?,
        group: small(12)?,
        app: small(13)?,
        queue: small(14)?,
        partition: small(15)?,
        preceding: whole(16)?,
        think_s: seconds(17)?,
    })
}

fn fault(at: usize, text: &[u8]) -> LineFault {
    LineFault::Value { field: NAMES[at], text: excerpt(text), wanted: Wanted::Number }
}

/// A number of at least 0; `-1` is unknown. Some converters write decimals where the format wants none: rounded to the nearest.
fn whole(text: &[u8]) -> Result<Option<u64>, ()> {
    let mut number: u64 = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                number = number.checked_mul(10).and_then(|n| n.checked_add(u64::from(byte - b'0'))).ok_or(())?;
            }
            _ => return Ok(decimal(text)?.map(|n| n.round() as u64)),
        }
    }
    Ok(Some(number))
}

fn decimal(text: &[u8]) -> Result<Option<f64>, ()> {
    let number: f64 = std::str::from_utf8(text).map_err(|_| ())?.parse().map_err(|_| ())?;
    match number {
        -1.0 => Ok(None),
        // Past this a double no longer holds every whole number.
        n if (0.0..9e15).contains(&n) => Ok(Some(n)),
        _ => Err(()),
    }
}

/// Writes one record as a line.
pub fn line(record: &Record, out: &mut String) {
    fn put<T: std::fmt::Display>(out: &mut String, value: Option<T>) {
        let _ = match value {
            Some(value) => write!(out, " {value}"),
            None => write!(out, " -1"),
        };
    }
    let _ = write!(out, "{}", record.job);
    put(out, record.submit_s);
    put(out, record.wait_s);
    put(out, record.run_s);
    put(out, record.procs_allocated);
    put(out, record.cpu_s);
    put(out, record.memory_used_kib);
    put(out, record.procs_requested);
    put(out, record.estimate_s);
    put(out, record.memory_requested_kib);
    for small in [record.status, record.user, record.group, record.app, record.queue, record.partition] {
        put(out, small);
    }
    put(out, record.preceding);
    put(out, record.think_s);
    out.push('\n');
}

/// Writes a trace: the header's lines as they are, then the records.
///
/// # Errors
/// When the output cannot be written.
pub fn write<'a>(
    header: &Header,
    records: impl IntoIterator<Item = &'a Record>,
    mut out: impl Write,
) -> std::io::Result<()> {
    for line in &header.lines {
        writeln!(out, "{line}")?;
    }
    let mut text = String::new();
    for record in records {
        text.clear();
        line(record, &mut text);
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\
; Version: 2.2
; MaxNodes: 338 (batch partition; 512 total)
; Note: one
;       goes on
; Queue: 1 DSI
; Queue: 2 astro

    1        0 588530    937  306 142.50    -1   -1  35100    -1  1  97  -1 307  3 -1 -1 -1
; Note: two
2 164472 -1 75.4 17 2.00 -1 -1 300 1024 0 81 -1 195 3 -1 1 60
";

    #[test]
    fn a_trace_is_read_with_its_header() {
        let trace = read(TEXT.as_bytes(), OnBad::Refuse).unwrap();
        assert_eq!(trace.header.procs(), Some(338));
        assert_eq!(trace.header.all("note").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(trace.header.all("Queue").collect::<Vec<_>>(), ["1 DSI", "2 astro"]);
        assert_eq!(trace.header.lines.len(), 7);
        let [first, second] = &trace.records[..] else { panic!("{:?}", trace.records) };
        assert_eq!((first.job, first.submit_s, first.cpu_s, first.procs_requested), (1, Some(0), Some(142.5), None));
        assert_eq!(
            (second.run_s, second.wait_s, second.preceding, second.think_s),
            (Some(75), None, Some(1), Some(60))
        );
        let mut written = Vec::new();
        write(&trace.header, &trace.records, &mut written).unwrap();
        assert_eq!(read(written.as_slice(), OnBad::Refuse).unwrap(), trace);
    }

    #[test]
    fn bad_lines_are_told_by_number_or_refuse_the_trace() {
        let bad = "1 2 3\n1 0 -2 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n1 0 0 x 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n-1 0 0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n1 0 0 1 99999999999 1 1 1 1 1 1 1 1 1 1 1 1 1\n1 0 0 1 1 NaN 1 1 1 1 1 1 1 1 1 1 1 1\n";
        let text = format!("{TEXT}{bad}");
        let trace = read(text.as_bytes(), OnBad::Skip).unwrap();
        assert_eq!(trace.records.len(), 2);
        let told: Vec<String> = trace.bad.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 11: 3 fields where 18 are expected",
                "line 12: wait time is `-2`, expected a number of at least 0, or -1 for unknown",
                "line 13: run time is `x`, expected a number of at least 0, or -1 for unknown",
                "line 14: job number is `-1`, expected a number of at least 0",
                "line 15: allocated processors is `99999999999`, expected a number of at least 0, or -1 for unknown",
                "line 16: average CPU time is `NaN`, expected a number of at least 0, or -1 for unknown",
            ]
        );
        let refused = read(text.as_bytes(), OnBad::Refuse).unwrap_err();
        assert_eq!(refused.to_string(), told[0]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(numbers in prop::array::uniform18(prop::option::of(0u32..4_000_000))) {
            let seconds = |at: usize| numbers[at].map(i64::from);
            let large = |at: usize| numbers[at].map(|n| u64::from(n) * 4_000);
            let record = Record {
                job: large(0).unwrap_or_default(),
                submit_s: seconds(1),
                wait_s: seconds(2),
                run_s: seconds(3),
                procs_allocated: numbers[4],
                cpu_s: numbers[5].map(|n| f64::from(n) / 100.0),
                memory_used_kib: large(6),
                procs_requested: numbers[7],
                estimate_s: seconds(8),
                memory_requested_kib: large(9),
                status: numbers[10],
                user: numbers[11],
                group: numbers[12],
                app: numbers[13],
                queue: numbers[14],
                partition: numbers[15],
                preceding: large(16),
                think_s: seconds(17),
            };
            let mut text = String::new();
            line(&record, &mut text);
            let trace = read(text.as_bytes(), OnBad::Refuse).unwrap();
            prop_assert_eq!(trace.records, vec![record]);
        }

        /// Whatever is in a file, each line becomes a record, a comment, a bad line or is empty.
        #[test]
        fn nothing_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let trace = read(bytes.as_slice(), OnBad::Skip).unwrap();
            let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
            prop_assert_eq!(trace.records.len() + trace.header.lines.len() + trace.bad.len(), lines);
        }
    }
}

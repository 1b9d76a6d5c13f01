//! Reads the packing experiment's inputs from text: node list, pod list, arrival order, node order (the openb columns).
//! Refuses to know: files, policies, what is done with the rows.

use std::collections::HashMap;

use sched::packing::{GPU_MILLIS, GPUS_MAX, MODELS_MAX, Node, Pod};

/// Why an input cannot be used; lines count from 1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// A column that must be there is not in the header line.
    #[error("the first line has no column `{0}`: give a list with the columns of the openb trace")]
    Column(&'static str),
    /// A field is missing or is no number that fits.
    #[error("line {line}: `{column}` must be a whole number, it is `{text}`")]
    Number { line: usize, column: &'static str, text: String },
    /// A node with more GPUs than can be handled.
    #[error("line {line}: a node may have at most {GPUS_MAX} GPUs")]
    Gpus { line: usize },
    /// Too many GPU models.
    #[error("line {line}: more than {MODELS_MAX} GPU models")]
    Models { line: usize },
    /// An order that names what the list does not have.
    #[error("line {line}: `{text}` is not in the list")]
    Unknown { line: usize, text: String },
    /// A node order that is no order of the nodes.
    #[error(
        "the node order must name each of the {wanted} nodes once: it names {found} different ones in {lines} lines"
    )]
    NodeOrder { wanted: usize, found: usize, lines: usize },
    /// Nothing to do.
    #[error("nothing is listed")]
    Empty,
}

/// One of the two lists of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Nodes,
    Pods,
}

/// Which list cannot be used, and why.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{why}")]
pub struct Unread {
    pub list: List,
    pub why: ReadError,
}

/// Nodes and pods of one experiment.
#[derive(Debug)]
pub struct Workload {
    /// Names of `nodes`, in the same order.
    pub names: Vec<String>,
    /// As the file lists them, without those that have no GPU.
    pub nodes: Vec<Node>,
    /// As the file lists them.
    pub pods: Vec<Pod>,
    /// Names of the models; a node's model and a pod's bits are ordinals here.
    pub models: Vec<String>,
    /// Rows of `pods` sorted by the pods' names.
    pub by_name: Vec<usize>,
}

/// A table with a header line and plain, unquoted fields.
struct Table<'a> {
    columns: Vec<&'a str>,
    rows: Vec<(usize, Vec<&'a str>)>,
}

impl<'a> Table<'a> {
    fn parse(text: &'a str) -> Table<'a> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().enumerate();
        let columns = lines.next().map_or(Vec::new(), |(_, l)| l.split(',').map(str::trim).collect());
        let filled = lines.filter(|(_, l)| !l.trim().is_empty());
        Table { columns, rows: filled.map(|(i, l)| (i + 1, l.split(',').map(str::trim).collect())).collect() }
    }

    fn find(&self, name: &'static str) -> Result<usize, ReadError> {
        self.columns.iter().position(|c| *c == name).ok_or(ReadError::Column(name))
    }

    /// A number column: fields may carry a fraction of zeros, as some writers of these lists leave it.
    fn number<T: TryFrom<u64>>(&self, row: usize, column: usize, name: &'static str) -> Result<T, ReadError> {
        let (line, fields) = &self.rows[row];
        let text = fields.get(column).copied().unwrap_or("");
        let whole = text.strip_suffix(".0").unwrap_or(text);
        let number = whole.parse::<u64>().ok().and_then(|n| T::try_from(n).ok());
        number.ok_or_else(|| ReadError::Number { line: *line, column: name, text: text.into() })
    }
}

/// Ordinals of model names, in the order in which they are met.
#[derive(Default)]
struct Models {
    names: Vec<String>,
}

impl Models {
    fn ordinal(&mut self, name: &str, line: usize) -> Result<u8, ReadError> {
        let found = self.names.iter().position(|n| n == name).unwrap_or(self.names.len());
        if found == MODELS_MAX {
            return Err(ReadError::Models { line });
        }
        if found == self.names.len() {
            self.names.push(name.into());
        }
        Ok(found as u8)
    }
}

impl Workload {
    /// From the text of a node list (`sn,cpu_milli,memory_mib,gpu,model`) and of a pod list
    /// (`name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec]`, more columns are allowed).
    pub fn read(nodes: &str, pods: &str) -> Result<Workload, Unread> {
        let of = |list: List| move |why: ReadError| Unread { list, why };
        let mut models = Models::default();
        let (names, nodes) = read_nodes(nodes, &mut models).map_err(of(List::Nodes))?;
        let (pods, by_name) = read_pods(pods, &mut models).map_err(of(List::Pods))?;
        Ok(Workload { names, nodes, pods, models: models.names, by_name })
    }

    /// Thousandths of GPU of the whole cluster.
    pub fn capacity(&self) -> u64 {
        self.nodes.iter().map(|n| u64::from(n.gpu_free())).sum()
    }

    /// Model names of a pod, joined as the lists write them.
    pub fn spec(&self, bits: u64) -> String {
        let named = self.models.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0);
        named.map(|(_, n)| n.as_str()).collect::<Vec<_>>().join("|")
    }

    /// Rows of the pod list in the order of arrival: a header line, then a row number (from 0) on each line.
    pub fn read_order(&self, text: &str) -> Result<Vec<usize>, ReadError> {
        let known = |line: usize, text: &str| {
            let row = text.parse::<usize>().ok().filter(|r| *r < self.pods.len());
            row.ok_or_else(|| ReadError::Unknown { line, text: text.into() })
        };
        words(text).map(|(line, word)| known(line, word)).collect()
    }

    /// Nodes in the order in which they win ties: a header line, then a name on each line. Nodes without GPU may be named.
    pub fn read_node_order(&self, text: &str) -> Result<Vec<usize>, ReadError> {
        let index: HashMap<&str, usize> = self.names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
        let mut seen = vec![false; self.names.len()];
        let mut order = Vec::with_capacity(self.names.len());
        let mut lines = 0;
        for (_, word) in words(text) {
            lines += 1;
            if let Some(i) = index.get(word).filter(|i| !seen[**i]) {
                seen[*i] = true;
                order.push(*i);
            }
        }
        match order.len() == self.names.len() {
            true => Ok(order),
            false => Err(ReadError::NodeOrder { wanted: self.names.len(), found: order.len(), lines }),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().skip(1).map(|(i, l)| (i + 1, l.trim()));
    lines.filter(|(_, l)| !l.is_empty())
}

fn read_nodes(text: &str, models: &mut Models) -> Result<(Vec<String>, Vec<Node>), ReadError> {
    let table = Table::parse(text);
    let [sn, cpu, mem, gpu, model] = [
        table.find("sn")?,
        table.find("cpu_milli")?,
        table.find("memory_mib")?,
        table.find("gpu")?,
        table.find("model")?,
    ];
    let (mut names, mut nodes) = (Vec::new(), Vec::new());
    for row in 0..table.rows.len() {
        let (line, fields) = &table.rows[row];
        let gpus: u8 = table.number(row, gpu, "gpu")?;
        if gpus == 0 {
            continue;
        }
        let model = models.ordinal(fields.get(model).unwrap_or(&""), *line)?;
        let node = Node::new(model, table.number(row, cpu, "cpu_milli")?, table.number(row, mem, "memory_mib")?, gpus);
        nodes.push(node.ok_or(ReadError::Gpus { line: *line })?);
        names.push(fields.get(sn).unwrap_or(&"").to_string());
    }
    if nodes.is_empty() { Err(ReadError::Empty) } else { Ok((names, nodes)) }
}

fn read_pods(text: &str, models: &mut Models) -> Result<(Vec<Pod>, Vec<usize>), ReadError> {
    let table = Table::parse(text);
    let [name, cpu, mem, num, milli] = [
        table.find("name")?,
        table.find("cpu_milli")?,
        table.find("memory_mib")?,
        table.find("num_gpu")?,
        table.find("gpu_milli")?,
    ];
    let spec = table.find("gpu_spec").ok();
    let mut pods = Vec::with_capacity(table.rows.len());
    for row in 0..table.rows.len() {
        let (line, fields) = &table.rows[row];
        let gpus: u8 = table.number(row, num, "num_gpu")?;
        let wanted: u32 = table.number(row, milli, "gpu_milli")?;
        let mut bits = 0;
        let text = spec.and_then(|s| fields.get(s)).copied().unwrap_or("");
        for model in text.split('|').filter(|m| gpus > 0 && !m.is_empty()) {
            bits |= 1 << models.ordinal(model, *line)?;
        }
        pods.push(Pod {
            cpu: table.number(row, cpu, "cpu_milli")?,
            mem: table.number(row, mem, "memory_mib")?,
            gpus,
            gpu_milli: if gpus == 0 { 0 } else { wanted.min(GPU_MILLIS) as u16 },
            models: bits,
        });
    }
    if pods.is_empty() {
        return Err(ReadError::Empty);
    }
    let mut by_name: Vec<usize> = (0..pods.len()).collect();
    by_name.sort_by_key(|row| (table.rows[*row].1.get(name).copied().unwrap_or(""), *row));
    Ok((pods, by_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nb,8000,1000,2,X\na,8000,1000,1,Y\n";
    const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\np2,1,1,1,1500,Y|X\np1,1,1,0,0,X\n";

    #[test]
    fn lists_are_read_by_their_column_names() {
        let work = Workload::read(NODES, PODS).unwrap();
        assert_eq!((work.names.as_slice(), work.capacity()), (&["b".to_string(), "a".into()][..], 3000));
        assert_eq!((work.pods[0].gpu_milli, work.pods[0].models), (1000, 0b11), "capped at a whole GPU");
        assert_eq!(work.pods[1].models, 0, "a pod without GPU names no model");
        assert_eq!(work.by_name, [1, 0]);
        assert_eq!(work.spec(0b11), "X|Y");
        let bare = PODS.replace(",gpu_spec", "").replace(",Y|X", "").replace(",0,0,X", ",0,0");
        assert_eq!(Workload::read(NODES, &bare).unwrap().pods[0].models, 0, "lists without the column");
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_line() {
        let pods = |text: &str| Workload::read(NODES, text).unwrap_err().why;
        assert_eq!(pods("name,cpu_milli\n"), ReadError::Column("memory_mib"));
        let text = PODS.replace("p1,1,1", "p1,one,1");
        assert_eq!(pods(&text), ReadError::Number { line: 3, column: "cpu_milli", text: "one".into() });
        assert_eq!(pods("name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"), ReadError::Empty);
        let many = NODES.replace(",2,X", ",17,X");
        assert_eq!(
            Workload::read(&many, PODS).unwrap_err(),
            Unread { list: List::Nodes, why: ReadError::Gpus { line: 2 } }
        );
    }

    #[test]
    fn orders_name_what_is_there() {
        let work = Workload::read(NODES, PODS).unwrap();
        assert_eq!(work.read_order("row\n1\n0\n1\n").unwrap(), [1, 0, 1]);
        assert_eq!(work.read_order("row\n2\n"), Err(ReadError::Unknown { line: 2, text: "2".into() }));
        assert_eq!(work.read_node_order("sn\na\nb\n").unwrap(), [1, 0]);
        assert_eq!(work.read_node_order("sn\na\n"), Err(ReadError::NodeOrder { wanted: 2, found: 1, lines: 1 }));
    }
}

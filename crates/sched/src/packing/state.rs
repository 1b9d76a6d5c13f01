//! Nodes and pods as packing sees them: free amounts, requests, and the GPUs of one node a pod would take.
//! Refuses to know: names, files, times, which policy asks.

/// What one GPU has, in thousandths of itself.
pub const GPU_MILLIS: u32 = 1000;
/// GPUs that one node may have; 8 in the machines sold today, and a set of them must fit [`GpuSet`].
pub const GPUS_MAX: usize = 16;
/// GPU models that one run may tell apart: a pod names those it takes as bits of a word.
pub const MODELS_MAX: usize = 64;

/// What a node has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Ordinal of its GPU model, below [`MODELS_MAX`].
    pub model: u8,
    /// Free processor time, thousandths of a core.
    pub cpu_free: u32,
    /// Free memory, MiB.
    pub mem_free: u64,
    gpus: [u16; GPUS_MAX],
    count: u8,
    held: u32,
}

/// What a pod asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pod {
    /// Thousandths of a core.
    pub cpu: u32,
    /// MiB.
    pub mem: u64,
    /// Number of GPUs; none is a pod without GPU.
    pub gpus: u8,
    /// Of each GPU, thousandths, at most [`GPU_MILLIS`].
    pub gpu_milli: u16,
    /// Bits of the models it takes; 0 takes any.
    pub models: u64,
}

/// GPUs of one node, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GpuSet(u16);

impl GpuSet {
    /// The set of one GPU.
    pub const fn one(index: usize) -> GpuSet {
        GpuSet(1 << index)
    }

    /// Its indices, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..GPUS_MAX).filter(move |i| self.0 & (1 << i) != 0)
    }

    fn with(self, index: usize) -> GpuSet {
        GpuSet(self.0 | 1 << index)
    }
}

impl Pod {
    /// Thousandths of GPUs in all.
    pub fn gpu_request(&self) -> u32 {
        u32::from(self.gpu_milli) * u32::from(self.gpus)
    }

    /// True for a pod that takes a part of one GPU.
    #[inline]
    pub fn shares(&self) -> bool {
        self.gpus == 1 && u32::from(self.gpu_milli) < GPU_MILLIS
    }

    /// True if it may run on this GPU model.
    #[inline]
    pub fn takes(&self, model: u8) -> bool {
        self.models == 0 || self.models & (1 << model) != 0
    }

    /// Which kind of GPU work it is, as one bit: shares of a GPU, or so many whole ones. None for a pod without GPU.
    pub fn affinity(&self) -> u32 {
        match self.gpus {
            0 => 0,
            _ if self.shares() => 1,
            n => 1 << n,
        }
    }
}

impl Node {
    /// An empty node with `gpus` GPUs of one model; `None` above [`GPUS_MAX`] or [`MODELS_MAX`].
    pub fn new(model: u8, cpu: u32, mem: u64, gpus: u8) -> Option<Node> {
        if usize::from(gpus) > GPUS_MAX || usize::from(model) >= MODELS_MAX {
            return None;
        }
        let mut free = [0; GPUS_MAX];
        free[..usize::from(gpus)].fill(GPU_MILLIS as u16);
        Some(Node { model, cpu_free: cpu, mem_free: mem, gpus: free, count: gpus, held: 0 })
    }

    /// Free thousandths of each GPU.
    #[inline]
    pub fn gpus(&self) -> &[u16] {
        &self.gpus[..usize::from(self.count)]
    }

    /// Free thousandths of all GPUs together.
    pub fn gpu_free(&self) -> u32 {
        self.gpus().iter().map(|f| u32::from(*f)).sum()
    }

    /// GPUs of which nothing is taken.
    pub fn idle_gpus(&self) -> usize {
        self.gpus().iter().filter(|f| u32::from(**f) == GPU_MILLIS).count()
    }

    /// Kinds of GPU work on it, as bits of [`Pod::affinity`].
    pub fn held(&self) -> u32 {
        self.held
    }

    /// True if a pod of this shape finds processors, a model it takes and GPUs here. Memory is not looked at.
    #[inline]
    pub fn hosts(&self, pod: &Pod) -> bool {
        if pod.cpu > self.cpu_free {
            return false;
        }
        match pod.gpus {
            0 => true,
            1 => pod.takes(self.model) && self.gpus().iter().any(|f| *f >= pod.gpu_milli),
            n => pod.takes(self.model) && self.gpus().iter().filter(|f| **f >= pod.gpu_milli).count() >= usize::from(n),
        }
    }

    /// [`Node::hosts`], and its memory fits too.
    #[inline]
    pub fn fits(&self, pod: &Pod) -> bool {
        pod.mem <= self.mem_free && self.hosts(pod)
    }

    /// The GPU with the least free that still takes a share of `milli`, the first of equals.
    pub fn tightest(&self, milli: u16) -> Option<usize> {
        (0..self.gpus().len()).filter(|i| self.gpus[*i] >= milli).min_by_key(|i| (self.gpus[*i], *i))
    }

    /// The first GPUs that each have what the pod asks of one, as many as it asks for.
    pub fn first_fitting(&self, pod: &Pod) -> GpuSet {
        let fitting = (0..self.gpus().len()).filter(|i| self.gpus[*i] >= pod.gpu_milli);
        fitting.take(usize::from(pod.gpus)).fold(GpuSet::default(), GpuSet::with)
    }

    /// Takes the pod's request off the node, its GPUs being `set`.
    pub fn put(&mut self, pod: &Pod, set: GpuSet) {
        debug_assert!(self.fits(pod), "the node was asked before");
        self.cpu_free -= pod.cpu;
        self.mem_free -= pod.mem;
        for i in set.iter() {
            self.gpus[i] -= pod.gpu_milli;
        }
        self.held |= pod.affinity();
    }

    /// The node after [`Node::put`].
    pub fn after(mut self, pod: &Pod, set: GpuSet) -> Node {
        self.put(pod, set);
        self
    }
}

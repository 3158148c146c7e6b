//! Steps, buffers and values of a pass over a graph, and of the bodies in it.

use super::bodies::{self, Iterated};
use super::kernel::Kernel;
use super::options::{OnnxRunner, OnnxRuntimeCpu};
use super::reuse::{self, Reuse};
use super::work::Work;
use super::{attention, moe, order, workspace};
use crate::ids::{StorageId, ValueId};
use crate::scenario::input_name;
use crate::schedule::{Draft, Known, NodeRef, Origin, Step, Storage, StorageClass, TensorRef, Value, state};
use crate::units::Bytes;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cell::RefCell;

/// The number of the iteration and the condition, which a loop keeps next to its body.
const COUNTER: u64 = 8;
const CONDITION: u64 = 1;

/// Maximum number of requests that represent the outputs of a loop's iterations that are stacked.
const MOST_ITERATIONS: u64 = 16;

/// What holds for all graphs of a model.
pub(super) struct Settings<'a> {
    pub(super) options: &'a OnnxRuntimeCpu,
    /// By number of a body, its [`Emitter::peak`]: an `If` within an `If` would ask for it again at every level.
    peaks: RefCell<FxHashMap<u32, (u64, u32)>>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(options: &'a OnnxRuntimeCpu) -> Settings<'a> {
        Settings { options, peaks: RefCell::default() }
    }
}

/// Steps, buffers and values of one pass over a graph.
pub(super) fn run(work: &Work<'_>, order: &[usize], settings: &Settings<'_>) -> (Draft, Vec<StorageId>) {
    let mut emitter = Emitter::new(work, order, settings, Draft::default());
    for &parameter in work.graph.parameters() {
        if let Some(tensor) = work.graph.output(parameter, 0) {
            let class = state::io_class(input_name(work.graph, parameter));
            let value = emitter.given(tensor.index(), class);
            let value = emitter.draft.value(value);
            if class == StorageClass::KvCache && settings.options.runner != OnnxRunner::Session {
                emitter.hosted.push(value.storage);
            } else {
                emitter.draft.user_bytes += value.bytes;
            }
        }
    }
    order.iter().for_each(|&node| emitter.step(node));
    let Emitter { mut draft, hosted, .. } = emitter;
    let last = draft.steps.len().saturating_sub(1) as u32;
    for storage in &mut draft.storages {
        if matches!(storage.class, StorageClass::Output | StorageClass::PresentCache) {
            storage.kept_until = last;
        }
    }
    (draft, hosted)
}

struct Emitter<'a> {
    work: &'a Work<'a>,
    settings: &'a Settings<'a>,
    number: u32,
    draft: Draft,
    /// Storages that the host application allocates.
    hosted: Vec<StorageId>,
    reuse: Reuse,
    values: Emitted,
    /// Of a body, what its results are outside.
    results: FxHashMap<usize, StorageClass>,
    /// What intermediate results are: those of a loop are in no memory pattern but their body's.
    inner_class: StorageClass,
}

/// The schedule values of the graph values, indexed by graph value.
#[derive(Default)]
struct Emitted(Vec<Option<ValueId>>);

impl Emitted {
    fn get(&self, value: usize) -> Option<ValueId> {
        self.0.get(value).copied().flatten()
    }

    /// Sets the schedule value of a graph value, if it is known.
    fn take(&mut self, value: usize, id: Option<ValueId>) {
        if let (Some(place), Some(id)) = (self.0.get_mut(value), id) {
            *place = Some(id);
        }
    }
}

impl<'a> Emitter<'a> {
    fn new(work: &'a Work<'a>, order: &[usize], settings: &'a Settings<'a>, draft: Draft) -> Emitter<'a> {
        Emitter {
            work,
            settings,
            number: work.graph.number(),
            draft,
            hosted: Vec::new(),
            reuse: reuse::plan(work, order, settings.options.memory_reuse),
            values: Emitted(vec![None; work.values.len()]),
            results: FxHashMap::default(),
            inner_class: StorageClass::Activation,
        }
    }

    fn step(&mut self, node: usize) {
        let work = self.work;
        let source = NodeRef { graph: self.number, node: work.nodes[node].source };
        let is_shape = matches!(work.nodes[node].kind, Kernel::Shape | Kernel::Size);
        let inputs = work.nodes[node].inputs().iter().flatten().filter(|_| !is_shape);
        let mut reads: SmallVec<[ValueId; 4]> = inputs.filter_map(|&value| self.read(value)).collect();
        let mut workspace = workspace::scratch(work, node, &self.settings.options.machine);
        let bodies = bodies::of(work, node);
        if work.is(node, Kernel::If) {
            reads.extend(self.branch(&bodies));
        } else if let [body] = &bodies[..]
            && let Some(iterated) = &body.iterated
        {
            reads.extend(self.iterations(body, iterated, &reads, source));
        } else {
            for body in &bodies {
                let (bytes, unknown) = self.peak(body);
                self.draft.unknown_tensors += unknown;
                workspace.push(bytes);
            }
        }
        let mut writes: SmallVec<[ValueId; 2]> = SmallVec::new();
        for &value in &work.nodes[node].outputs {
            if self.values.get(value).is_none() {
                writes.extend(self.write(value, source));
            }
        }
        let known = if moe::depends_on_data(work, node) { Known::UpperBound } else { Known::Assumed };
        writes.extend(workspace.into_iter().map(|bytes| self.request(bytes, source, known)));
        self.draft.steps.push(Step { node: source, reads, writes });
    }

    /// The steps of the branch that needs most, and what it gives.
    fn branch(&mut self, bodies: &[bodies::Body<'_>]) -> Vec<ValueId> {
        let highest = match bodies {
            [only] => Some(only),
            _ => bodies.iter().rev().max_by_key(|body| self.peak(body).0),
        };
        let Some(body) = highest else { return Vec::new() };
        let (work, order) = self.inside(body);
        let draft = std::mem::take(&mut self.draft);
        let mut inner = Emitter::new(&work, &order, self.settings, draft);
        inner.inner_class = self.inner_class;
        for &(outer, value) in &body.passed {
            inner.values.take(value, self.values.get(outer));
        }
        for &(value, outer) in &body.results {
            let is_returned = self.reuse.origin[outer] == reuse::Origin::Returned;
            let class = if is_returned { self.returned(outer) } else { self.inner_class };
            inner.results.insert(value, class);
        }
        order.iter().for_each(|&node| inner.step(node));
        let values = std::mem::take(&mut inner.values);
        self.hosted.append(&mut inner.hosted);
        self.draft = inner.draft;
        let given = body.results.iter().filter_map(|&(value, outer)| Some((outer, values.get(value)?)));
        let given: Vec<(usize, ValueId)> = given.collect();
        given.iter().for_each(|&(value, id)| self.values.take(value, Some(id)));
        given.into_iter().map(|(_, value)| value).collect()
    }

    /// The iterations of a `Loop`; what they leave for its outputs.
    fn iterations(
        &mut self,
        body: &bodies::Body<'_>,
        iterated: &Iterated,
        outside: &[ValueId],
        source: NodeRef,
    ) -> Vec<ValueId> {
        if iterated.trips == Some(0) {
            return Vec::new();
        }
        let counters = [COUNTER, CONDITION].map(|bytes| self.scratch(bytes, source));
        let writes = counters.into_iter().collect();
        self.draft.steps.push(Step { node: source, reads: outside.iter().copied().collect(), writes });
        let (work, order) = self.inside(body);
        let draft = std::mem::take(&mut self.draft);
        let mut inner = Emitter::new(&work, &order, self.settings, draft);
        inner.inner_class = StorageClass::Scratch;
        for &(outer, value) in body.passed.iter().chain(&iterated.entering) {
            inner.values.take(value, self.values.get(outer));
        }
        let results = || iterated.carried.iter().chain(&iterated.stacked);
        inner.results.extend(results().map(|&value| (value, StorageClass::Scratch)));
        order.iter().for_each(|&node| inner.step(node));
        let values = std::mem::take(&mut inner.values);
        self.hosted.append(&mut inner.hosted);
        self.draft = inner.draft;
        let given = |results: &[usize]| -> Vec<ValueId> {
            results.iter().filter_map(|&value| values.get(value)).collect()
        };
        let (carried, mut kept) = (given(&iterated.carried), given(&iterated.stacked));
        kept.extend(counters);
        let others = iterated.trips.map_or(1, |trips| trips - 1);
        if others == 0 {
            return carried.into_iter().chain(kept).collect();
        }

        let (pattern, _) = self.peak(body);
        let bytes_of = |value: usize| work.bytes(value).unwrap_or(0);
        let mut requests = vec![pattern];
        requests.extend(iterated.carried.iter().map(|&value| bytes_of(value)));
        // Where they are many, a request represents several iterations.
        let blocks = others.min(MOST_ITERATIONS);
        for &value in &iterated.stacked {
            let block = bytes_of(value).saturating_mul(others).div_ceil(blocks);
            requests.extend((0..blocks).map(|_| block));
        }
        let requests = requests.into_iter().filter(|&bytes| bytes > 0);
        let writes: SmallVec<[ValueId; 2]> = requests.map(|bytes| self.scratch(bytes, source)).collect();
        let reads = outside.iter().chain(&carried).chain(&kept).copied().collect();
        // The pattern is the body's own, and gone when the outputs are made.
        kept.extend(writes.iter().skip(usize::from(pattern > 0)));
        self.draft.steps.push(Step { node: source, reads, writes });
        kept
    }

    /// A request that lasts as long as something reads it.
    fn scratch(&mut self, bytes: u64, source: NodeRef) -> ValueId {
        self.request(bytes, source, Known::Assumed)
    }

    fn request(&mut self, bytes: u64, source: NodeRef, known: Known) -> ValueId {
        let new = Storage::new(StorageClass::Scratch, Bytes(bytes), source, known);
        let storage = Storage { grows: true, ..new };
        self.value(storage, bytes, Origin::Written, None)
    }

    fn inside<'b>(&self, body: &bodies::Body<'b>) -> (Work<'b>, Vec<usize>) {
        let work = body.optimized(self.work, self.settings.options);
        let order = order::of(&work);
        (work, order)
    }

    /// What a body holds at its highest step, and how many of its tensors have no known size.
    fn peak(&self, body: &bodies::Body<'_>) -> (u64, u32) {
        let number = body.graph.number();
        if let Some(&known) = self.settings.peaks.borrow().get(&number) {
            return known;
        }
        let (work, order) = self.inside(body);
        let mut inner = Emitter::new(&work, &order, self.settings, Draft::default());
        // What a loop's body gives is counted where it is kept.
        let results = body.iterated.iter().flat_map(|own| own.carried.iter().chain(&own.stacked));
        inner.results.extend(results.map(|&value| (value, StorageClass::Io)));
        order.iter().for_each(|&node| inner.step(node));
        let found = (peak(&inner.draft), inner.draft.unknown_tensors);
        self.settings.peaks.borrow_mut().insert(number, found);
        found
    }

    fn read(&mut self, value: usize) -> Option<ValueId> {
        if let Some(found) = self.values.get(value) {
            return Some(found);
        }
        let is_captured = self.work.writer(value).is_none() && !self.work.values[value].is_constant;
        is_captured.then(|| self.given(value, StorageClass::Io))
    }

    /// A model input: the caller's.
    fn given(&mut self, value: usize, class: StorageClass) -> ValueId {
        let node = self.work.graph.tensor(self.work.values[value].tensor).node;
        let node = NodeRef { graph: self.number, node };
        let bytes = self.bytes(value);
        let id = self.value(
            Storage::new(class, Bytes(bytes), node, self.known(value)),
            bytes,
            Origin::Resident,
            Some(value),
        );
        self.values.take(value, Some(id));
        id
    }

    fn write(&mut self, value: usize, source: NodeRef) -> Option<ValueId> {
        let bytes = self.bytes(value);
        let id = match self.reuse.origin[value] {
            reuse::Origin::Given | reuse::Origin::Unused => return None,
            reuse::Origin::Aliased(input) => {
                let from = self.read(input)?;
                let (fits, storage) = {
                    let viewed = self.draft.value(from);
                    (viewed.bytes >= Bytes(bytes), viewed.storage)
                };
                if fits {
                    self.push(storage, bytes, Origin::View(from), Some(value))
                } else {
                    // Sizes that depend on data may be bounds that disagree: such an output counts by itself.
                    let class = self.inner_class;
                    let storage = Storage {
                        grows: true,
                        ..Storage::new(class, Bytes(bytes), source, self.known(value))
                    };
                    self.value(storage, bytes, Origin::Written, Some(value))
                }
            }
            reuse::Origin::Reused => {
                let owner = self.values.get(self.reuse.buffer[value])?;
                let storage = self.draft.value(owner).storage;
                let held = &mut self.draft.storages[storage.index()];
                held.bytes = held.bytes.max(Bytes(bytes));
                self.push(storage, bytes, Origin::Written, Some(value))
            }
            reuse::Origin::Allocated => {
                let class = self.inner_class;
                let storage =
                    Storage { grows: true, ..Storage::new(class, Bytes(bytes), source, self.known(value)) };
                self.value(storage, bytes, Origin::Written, Some(value))
            }
            reuse::Origin::Returned => {
                let class = self.results.get(&value).copied().unwrap_or_else(|| self.returned(value));
                if let Some(past) = self.past_of(value, bytes).filter(|_| class == StorageClass::KvCache) {
                    self.push(past, bytes, Origin::Written, Some(value))
                } else {
                    let grows = class.is_planned();
                    let storage =
                        Storage { grows, ..Storage::new(class, Bytes(bytes), source, self.known(value)) };
                    let id = self.value(storage, bytes, Origin::Written, Some(value));
                    self.hosted.extend((!grows).then_some(self.draft.value(id).storage));
                    id
                }
            }
        };
        self.values.take(value, Some(id));
        Some(id)
    }

    /// The class of a value that the model returns.
    fn returned(&self, value: usize) -> StorageClass {
        let mut names = self.work.graph.tensor_names(self.work.values[value].tensor);
        let is_cache = names.any(|name| state::io_class(name) == StorageClass::KvCache);
        match (self.settings.options.runner, is_cache) {
            (OnnxRunner::Session, false) => StorageClass::Output,
            (OnnxRunner::Session, true) => StorageClass::PresentCache,
            (OnnxRunner::GenAi { .. }, false) => StorageClass::Io,
            (OnnxRunner::GenAi { .. }, true) => StorageClass::KvCache,
        }
    }

    /// The storage of a present that is written in the place of its past.
    fn past_of(&self, value: usize, bytes: u64) -> Option<StorageId> {
        if self.settings.options.runner != (OnnxRunner::GenAi { shares_cache: true }) {
            return None;
        }
        let node = self.work.writer(value)?;
        let past = attention::shared_past(self.work, node, value)?;
        let past = self.draft.value(self.values.get(past)?);
        (past.bytes == Bytes(bytes)).then_some(past.storage)
    }

    fn value(&mut self, storage: Storage, bytes: u64, origin: Origin, value: Option<usize>) -> ValueId {
        let id = StorageId::new(self.draft.storages.len());
        self.draft.storages.push(storage);
        self.push(id, bytes, origin, value)
    }

    fn push(&mut self, storage: StorageId, bytes: u64, origin: Origin, value: Option<usize>) -> ValueId {
        let tensor =
            value.map(|value| TensorRef { graph: self.number, tensor: self.work.values[value].tensor });
        let id = ValueId::new(self.draft.values.len());
        self.draft.values.push(Value { storage, offset: Bytes::ZERO, bytes: Bytes(bytes), origin, tensor });
        id
    }

    fn bytes(&mut self, value: usize) -> u64 {
        self.work.bytes(value).unwrap_or_else(|| {
            self.draft.unknown_tensors += 1;
            0
        })
    }

    fn known(&self, value: usize) -> Known {
        if self.work.values[value].is_bound { Known::UpperBound } else { Known::Exact }
    }
}

/// Bytes of planned storages at the step where they are most.
fn peak(draft: &Draft) -> u64 {
    let mut changes: Vec<i128> = vec![0; draft.steps.len() + 2];
    let end = draft.steps.len().saturating_sub(1);
    let mut lives: Vec<Option<(usize, usize)>> = vec![None; draft.storages.len()];
    for (now, step) in draft.steps.iter().enumerate() {
        for &value in step.reads.iter().chain(&step.writes) {
            lives[draft.value(value).storage.index()].get_or_insert((now, now)).1 = now;
        }
    }
    for (storage, life) in draft.storages.iter().zip(lives) {
        if let (true, Some((first, last))) = (storage.class.is_planned(), life) {
            let is_returned = matches!(storage.class, StorageClass::Output | StorageClass::PresentCache);
            let last = if is_returned { end } else { last };
            changes[first] += i128::from(storage.bytes.0);
            changes[last + 1] -= i128::from(storage.bytes.0);
        }
    }
    let (mut now, mut most) = (0_i128, 0_i128);
    for change in changes {
        now += change;
        most = most.max(now);
    }
    u64::try_from(most).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft as Model;
    use super::super::kernel::Kernel;
    use super::*;
    use crate::graph::Op;
    use crate::ids::TensorId;

    /// A pass over the graph as written.
    fn lowered(draft: Model, runner: OnnxRunner) -> Draft {
        hosted(draft, runner).0
    }

    /// The same, and the storages that the host application allocates.
    fn hosted(draft: Model, runner: OnnxRunner) -> (Draft, Vec<StorageId>) {
        let options = OnnxRuntimeCpu { runner, ..OnnxRuntimeCpu::default() };
        draft.with(|work| run(work, &order::of(work), &Settings::new(&options)))
    }

    /// The value that represents a tensor.
    fn value(lowered: &Draft, tensor: TensorId) -> &Value {
        let is_it = |value: &&Value| value.tensor == Some(TensorRef { graph: 0, tensor });
        lowered.values.iter().find(is_it).unwrap()
    }

    #[test]
    fn an_output_is_held_to_the_end() {
        let mut draft = Model::default();
        let x = draft.input(&[2, 8]);
        let first = draft.node(Kernel::Sqrt, &[x]);
        let second = draft.node(Kernel::Exp, &[first]);
        draft.returns(first);
        draft.returns(second);
        let lowered = lowered(draft, OnnxRunner::Session);
        assert_eq!(lowered.steps.len(), 2);
        let storage = &lowered.storages[value(&lowered, first).storage.index()];
        assert_eq!((storage.class, storage.kept_until), (StorageClass::Output, 1));
        // The caller's input.
        assert_eq!(lowered.user_bytes, Bytes(64));
    }

    #[test]
    fn an_initializer_is_not_read_as_a_value() {
        let mut draft = Model::default();
        let (x, weight) = (draft.input(&[2, 8]), draft.weight(&[8, 8]));
        let output = draft.node(Kernel::MatMul, &[x, weight]);
        draft.returns(output);
        let lowered = lowered(draft, OnnxRunner::Session);
        let reads: Vec<_> = lowered.steps[0].reads.iter().map(|&read| lowered.value(read).tensor).collect();
        assert_eq!(reads, [Some(TensorRef { graph: 0, tensor: x })]);
    }

    #[test]
    fn a_shape_is_known_without_its_tensor() {
        let mut draft = Model::default();
        let x = draft.input(&[2, 8]);
        let shape = draft.node(Kernel::Shape, &[x]);
        draft.returns(shape);
        assert!(lowered(draft, OnnxRunner::Session).steps[0].reads.is_empty());
    }

    #[test]
    fn views_and_activations_are_in_the_storage_of_what_they_read() {
        let mut draft = Model::default();
        let (x, pattern) = (draft.input(&[2, 8]), draft.ints(&[1], &[16]));
        let root = draft.node(Kernel::Sqrt, &[x]);
        let active = draft.node(Kernel::Relu, &[root]);
        let view = draft.node(Kernel::Reshape, &[active, pattern]);
        let output = draft.node(Kernel::Exp, &[view]);
        draft.returns(output);
        let lowered = lowered(draft, OnnxRunner::Session);
        let found = [root, active, view].map(|tensor| value(&lowered, tensor));
        assert!(found.iter().all(|value| value.storage == found[0].storage));
        assert_eq!([&found[0].origin, &found[1].origin], [&Origin::Written; 2]);
        assert!(matches!(found[2].origin, Origin::View(_)));
    }

    #[test]
    fn workspace_is_written_by_its_own_step() {
        let mut draft = Model::default();
        let (x, filters) = (draft.input(&[1, 3, 8, 8]), draft.weight(&[64, 3, 3, 3]));
        let output = draft.node(Kernel::Conv, &[x, filters]);
        draft.returns(output);
        let lowered = lowered(draft, OnnxRunner::Session);
        let storages = lowered.steps[0].writes.iter().map(|&written| lowered.value(written).storage);
        let found: Vec<_> = storages.map(|storage| &lowered.storages[storage.index()]).collect();
        let [output, scratch] = found[..] else { panic!("{found:?}") };
        assert_eq!((output.class, output.bytes), (StorageClass::Output, Bytes(64 * 36 * 4)));
        assert_eq!((scratch.class, scratch.bytes), (StorageClass::Scratch, Bytes(36 * 27 * 4)));
    }

    #[test]
    fn caches_belong_to_the_host_application_that_allocates_them() {
        let of = |runner| {
            let mut draft = Model::default();
            let past = draft.free_input("past_key_values.0.key", ",,,", &[1, 2, 8, 4]);
            let output = draft.node(Kernel::Sqrt, &[past]);
            draft.returns(output);
            let (lowered, hosted) = hosted(draft, runner);
            let past = value(&lowered, past).storage;
            (lowered.storages[past.index()].class, hosted.contains(&past), lowered.user_bytes)
        };
        assert_eq!(of(OnnxRunner::Session), (StorageClass::KvCache, false, Bytes(256)));
        let runner = OnnxRunner::GenAi { shares_cache: false };
        assert_eq!(of(runner), (StorageClass::KvCache, true, Bytes::ZERO));
    }

    #[test]
    fn a_result_without_a_size_is_counted_as_unknown() {
        let mut draft = Model::default();
        draft.scenario.allow_opaque = true;
        let x = draft.input(&[2, 8]);
        let output = draft.op(Op::Opaque, &[x]);
        draft.returns(output);
        assert_eq!(lowered(draft, OnnxRunner::Session).unknown_tensors, 1);
    }

    #[test]
    fn the_peak_counts_what_is_alive_at_once() {
        let mut draft = Model::default();
        let x = draft.input(&[2, 8]);
        let mut last = x;
        for _ in 0..4 {
            last = draft.node(Kernel::Sqrt, &[last]);
        }
        let all = draft.node(Kernel::Concat, &[last, x]);
        draft.returns(all);
        // The last root, and what it is joined to the input in; before that two roots.
        assert_eq!(peak(&lowered(draft, OnnxRunner::Session)), 64 + 128);
    }
}

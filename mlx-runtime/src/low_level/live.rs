//! Counts of the handles of MLX C that are alive.
//!
//! Each type of this crate that owns a handle counts it for as long as it owns it. Each value that MLX was given to
//! keep (a closure, a vector, a reader) is counted until MLX gives it back. So a leak shows as a number, even if the
//! allocator hides it.
//!
//! Counting is always on. A thread counts in its own block with a plain addition, without a locked instruction or a
//! branch on a setting, which costs less than a benchmark of one operation can measure.
//!
//! ```
//! use mlx_runtime::{low_level::live, ops, Dtype};
//! let a = ops::ones(&[2], Dtype::Float32)?;
//! let before = live::handles();
//! let b = ops::add(&a, &a)?;
//! assert_eq!(live::handles().of(live::Kind::Array), before.of(live::Kind::Array) + 1);
//! drop(b);
//! assert_eq!(live::handles(), before);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/leaks/main.rs`.

use std::cell::Cell;
use std::fmt;
use std::ptr::null;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The object behind a handle.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {$(
            $(#[$doc])*
            $name,
        )*}

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    /// `mlx_array`.
    Array,
    /// `mlx_vector_array`.
    VectorArray,
    /// `mlx_vector_vector_array`.
    VectorVectorArray,
    /// `mlx_vector_int`.
    VectorInt,
    /// `mlx_vector_stream`.
    VectorStream,
    /// `mlx_vector_string`.
    VectorString,
    /// `mlx_map_string_to_array`.
    MapStringToArray,
    /// `mlx_map_string_to_string`.
    MapStringToString,
    /// An iterator over one of the maps.
    MapIterator,
    /// `mlx_string`.
    MlxString,
    /// `mlx_device`.
    Device,
    /// `mlx_device_info`.
    DeviceInfo,
    /// `mlx_stream`.
    Stream,
    /// `mlx_stream_thread_local`.
    ThreadLocalStream,
    /// `mlx_closure`.
    Closure,
    /// `mlx_closure_kwargs`.
    NamedClosure,
    /// `mlx_closure_custom`.
    CustomVjp,
    /// `mlx_closure_custom_jvp`.
    CustomJvp,
    /// `mlx_closure_custom_vmap`.
    CustomVmap,
    /// `mlx_closure_value_and_grad`.
    GradientClosure,
    /// `mlx_compile_cache`.
    CompileCache,
    /// `mlx_fast_metal_kernel` or `mlx_fast_cuda_kernel`.
    Kernel,
    /// The configuration of a kernel's call.
    KernelConfig,
    /// `mlx_distributed_group`.
    Group,
    /// `mlx_function_exporter`.
    Exporter,
    /// `mlx_imported_function`.
    ImportedFunction,
    /// `mlx_node_namer`.
    NodeNamer,
    /// `mlx_io_gguf`.
    Gguf,
    /// `mlx_io_reader`.
    Reader,
    /// `mlx_io_writer`.
    Writer,
    /// A value of Rust's that MLX keeps: a closure, a vector under an array, a reader or writer.
    Kept,
}

const KINDS: usize = Kind::ALL.len();

/// Counts of one thread, which alone writes them. They are negative if it drops handles of other threads.
struct Block([AtomicIsize; KINDS]);

impl Block {
    const fn new() -> Self {
        Self([const { AtomicIsize::new(0) }; KINDS])
    }
}

/// The counts of threads that ended, and of threads while their locals are being destroyed.
static ENDED: Block = Block::new();

fn blocks() -> MutexGuard<'static, Vec<Arc<Block>>> {
    static BLOCKS: Mutex<Vec<Arc<Block>>> = Mutex::new(Vec::new());
    BLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a thread's block in the list until the thread ends.
struct Registered(Arc<Block>);

impl Registered {
    fn new() -> Self {
        let block = Arc::new(Block::new());
        blocks().push(Arc::clone(&block));
        Self(block)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        MINE.set(null());
        let mut blocks = blocks();
        for (ended, mine) in ENDED.0.iter().zip(&self.0 .0) {
            ended.fetch_add(mine.load(Relaxed), Relaxed);
        }
        blocks.retain(|b| !Arc::ptr_eq(b, &self.0));
    }
}

thread_local! {
    /// This thread's block; null before the first count and after the last. Without a destructor,
    /// so that it can be read whenever a handle is dropped.
    static MINE: Cell<*const Block> = const { Cell::new(null()) };
    static REGISTERED: Registered = Registered::new();
}

#[inline]
fn add(kind: usize, n: isize) {
    let block = MINE.get();
    if block.is_null() {
        return add_slowly(kind, n);
    }
    // SAFETY: not null, so `REGISTERED` holds the block: it makes this null before it lets go.
    let count = unsafe { &(&(*block).0)[kind] };
    // No other thread writes it: no read-modify-write is needed.
    count.store(count.load(Relaxed) + n, Relaxed);
}

#[cold]
#[inline(never)]
fn add_slowly(kind: usize, n: isize) {
    let known = REGISTERED.try_with(|r| {
        r.0 .0[kind].fetch_add(n, Relaxed);
        MINE.set(Arc::as_ptr(&r.0));
    });
    if known.is_err() {
        // The thread is ending: its block is gone.
        ENDED.0[kind].fetch_add(n, Relaxed);
    }
}

/// Counts one handle for as long as it exists. Takes no room in its owner.
#[derive(Debug)]
pub(crate) struct Live<const KIND: usize>(());

impl<const KIND: usize> Live<KIND> {
    #[inline]
    pub(crate) fn new() -> Self {
        add(KIND, 1);
        Self(())
    }

    /// For an owner that is never dropped, since it is only borrowed and in a `ManuallyDrop`.
    #[inline]
    pub(crate) fn uncounted() -> Self {
        Self(())
    }
}

impl<const KIND: usize> Drop for Live<KIND> {
    #[inline]
    fn drop(&mut self) {
        add(KIND, -1);
    }
}

/// [`Live`] of a kind by its name.
macro_rules! live {
    ($kind:ident) => {
        $crate::live::Live<{ $crate::live::Kind::$kind as usize }>
    };
}
pub(crate) use live;

/// A value that MLX keeps; counted until it is dropped.
pub(crate) type Kept = live!(Kept);

/// Counts of live handles, by kind; of the whole process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handles([isize; KINDS]);

/// The handles that are alive now, in the whole process. Changes that other threads make at the same time may or may
/// not be counted; changes of a thread that was joined are.
pub fn handles() -> Handles {
    // Held throughout, so that a thread which ends is counted once.
    let blocks = blocks();
    let all = blocks.iter().map(|b| &**b).chain([&ENDED]);
    let mut sums = [0isize; KINDS];
    for block in all {
        for (sum, count) in sums.iter_mut().zip(&block.0) {
            *sum += count.load(Relaxed);
        }
    }
    Handles(sums)
}

impl Handles {
    /// The number of handles of a kind.
    pub fn of(&self, kind: Kind) -> usize {
        usize::try_from(self.0[kind as usize]).unwrap_or(0)
    }

    /// The number of all handles.
    pub fn total(&self) -> usize {
        Kind::ALL.iter().map(|&k| self.of(k)).sum()
    }

    /// Each kind and its count.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, usize)> + '_ {
        Kind::ALL.iter().map(|&kind| (kind, self.of(kind)))
    }
}

impl fmt::Display for Handles {
    /// The kinds that there are any of, such as `Array 3, Closure 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (kind, n) in self.iter().filter(|(_, n)| *n > 0) {
            write!(f, "{comma}{kind:?} {n}")?;
            comma = ", ";
        }
        if comma.is_empty() {
            f.write_str("none")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handles({self})")
    }
}

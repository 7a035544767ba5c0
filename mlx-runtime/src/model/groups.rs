//! Gathers trainable tensors in flat buffers, so that the number of operations in an update of the optimiser does not
//! grow with the layers.
//!
//! Per group an update queues one copy of all gradients into a buffer (on CUDA one for each 128
//! tensors, on Metal one for each tensor), the optimiser's arithmetic on whole buffers, and views of the result for each tensor.
//!
//! Tests: `mlx-tests --test optimizer_groups`.

use std::collections::HashMap;

use mlx_sys as sys;

use crate::array::build_many;
use crate::kernels::gather::gather;
use crate::optim::Shapes;
use crate::{Array, Dtype, Error, ErrorKind, Result};

/// Tensors of one dtype (and of one part of an optimiser that has several) share a buffer, with tensors of one shape
/// side by side. A group is the unit of the optimiser's step, of clipping and of saving its state.
#[derive(Clone, Debug)]
pub struct ParamGroups {
    groups: Vec<Group>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Group {
    dtype: Dtype,
    /// The part of the optimiser that steps it.
    part: usize,
    /// Places in the list of tensors, and their shapes.
    members: Vec<(usize, Vec<i32>)>,
}

impl ParamGroups {
    /// Groups for tensors like these.
    ///
    /// # Errors
    /// If a group has more elements than MLX can index (2^31).
    pub fn new(tensors: &[Array]) -> Result<Self> {
        Self::of_parts(tensors, |_| 0)
    }

    /// Groups of one dtype and one part each. `part` returns the part of the tensor with an index.
    ///
    /// # Errors
    /// As [`ParamGroups::new`].
    pub fn of_parts(tensors: &[Array], part: impl Fn(usize) -> usize) -> Result<Self> {
        let mut groups: Vec<Group> = Vec::new();
        for (i, t) in tensors.iter().enumerate() {
            let member = (i, t.shape().to_vec());
            let own = |g: &&mut Group| (g.dtype, g.part) == (t.dtype(), part(i));
            match groups.iter_mut().find(own) {
                Some(g) => g.members.push(member),
                None => groups.push(Group {
                    dtype: t.dtype(),
                    part: part(i),
                    members: vec![member],
                }),
            }
        }
        for g in &mut groups {
            // Sorted by shape, so that an optimiser can take all tensors of one shape as one array. Shapes keep the
            // order in which they first come.
            let mut first: HashMap<Vec<i32>, usize> = HashMap::new();
            for (i, shape) in &g.members {
                first.entry(shape.clone()).or_insert(*i);
            }
            g.members.sort_by_key(|(_, shape)| first.get(shape));
            let mut end = 0i64;
            for (_, shape) in &g.members {
                end += shape.iter().map(|n| i64::from(*n)).product::<i64>();
            }
            if i32::try_from(end).is_err() {
                let text = "too many trainable values of one dtype: expected at most 2147483647";
                return Err(Error::new(ErrorKind::Shape, text));
            }
        }
        Ok(ParamGroups {
            groups,
            len: tensors.len(),
        })
    }

    /// The number of groups.
    pub fn count(&self) -> usize {
        self.groups.len()
    }

    /// The number of tensors in all groups.
    pub fn tensors(&self) -> usize {
        self.len
    }

    /// The tensors in each buffer.
    pub fn shapes<'a>(&'a self) -> Shapes {
        let group = |g: &'a Group| g.members.iter().map(|(_, shape)| shape.as_slice());
        let parts = self.groups.iter().map(|g| g.part).collect();
        Shapes::new(self.groups.iter().map(group)).of_parts(parts)
    }

    /// The places of all tensors in the list, in the order in which they lie in the buffers.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> + '_ {
        self.groups
            .iter()
            .flat_map(|g| g.members.iter().map(|(i, _)| *i))
    }

    /// The tensors of these groups in smaller groups, of one dtype and about `bytes` bytes each. The last tensors come first,
    /// because a backward pass ends with the first ones.
    pub(super) fn buckets(&self, bytes: usize) -> Self {
        let mut buckets: Vec<Group> = Vec::new();
        for group in &self.groups {
            let size = |shape: &[i32]| -> usize {
                shape.iter().map(|n| *n as usize).product::<usize>() * group.dtype.size()
            };
            if group.members.iter().map(|m| size(&m.1)).sum::<usize>() <= bytes {
                buckets.push(group.clone());
                continue;
            }
            let mut members = group.members.clone();
            members.sort_by_key(|(i, _)| std::cmp::Reverse(*i));
            let mut full = bytes;
            for member in members {
                let more = size(&member.1);
                let place = match buckets.last_mut() {
                    Some(bucket) if full + more <= bytes => bucket,
                    _ => {
                        full = 0;
                        buckets.push(Group {
                            members: Vec::new(),
                            ..*group
                        });
                        let last = buckets.len() - 1;
                        &mut buckets[last]
                    }
                };
                full += more;
                place.members.push(member);
            }
        }
        ParamGroups {
            groups: buckets,
            len: self.len,
        }
    }

    /// Each group's dtype, number of tensors and number of elements.
    pub fn sizes(&self) -> Vec<(Dtype, usize, usize)> {
        let elements = |shape: &[i32]| shape.iter().map(|n| *n as usize).product::<usize>();
        self.groups
            .iter()
            .map(|g| {
                let all = g.members.iter().map(|(_, shape)| elements(shape)).sum();
                (g.dtype, g.members.len(), all)
            })
            .collect()
    }

    /// One flat buffer for each group.
    ///
    /// # Errors
    /// If the tensors are not those that the groups were made for.
    pub fn gather(&self, tensors: &[Array]) -> Result<Vec<Array>> {
        if tensors.len() != self.len {
            let text = format!(
                "expected {1} tensors for the groups, found {0}",
                tensors.len(),
                self.len
            );
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        self.groups
            .iter()
            .map(|g| {
                let members: Vec<&Array> = g.members.iter().map(|(i, _)| &tensors[*i]).collect();
                gather(&members)
            })
            .collect()
    }

    /// The tensors in their own order, as views of the buffers.
    ///
    /// # Errors
    /// If a buffer has another length than its group.
    pub fn scatter(&self, buffers: &[Array]) -> Result<Vec<Array>> {
        let mut out: Vec<Option<Array>> = vec![None; self.len];
        for (g, buffer) in self.groups.iter().zip(buffers) {
            for ((i, _), part) in g.members.iter().zip(parts(buffer, &g.members)?) {
                out[*i] = Some(part);
            }
        }
        let missing = || {
            Error::new(
                ErrorKind::InvalidArgument,
                "expected one buffer for each group, found fewer",
            )
        };
        out.into_iter().map(|a| a.ok_or_else(missing)).collect()
    }
}

/// Views of a buffer as the arrays that lie in it.
fn parts(buffer: &Array, members: &[(usize, Vec<i32>)]) -> Result<Vec<Array>> {
    let sizes: Vec<i32> = members.iter().flat_map(|m| m.1.iter().copied()).collect();
    let dimensions: Vec<usize> = members.iter().map(|m| m.1.len()).collect();
    build_many("scatter", &[buffer], |out, s| {
        let (sizes, each, n) = (sizes.as_ptr(), dimensions.as_ptr(), dimensions.len());
        // SAFETY: buffer and stream are valid, and the lists as long as they say.
        unsafe { sys::mlxrs_parts(out, buffer.as_raw(), sizes, each, n, s) }
    })
}

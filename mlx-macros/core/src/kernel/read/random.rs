//! Writes random numbers, which are MLX's for the same key and shape.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`.

use super::emit::{Emit, Emitted, Failed};
use crate::ir::{self, Arg, Kind};
use crate::kernel::ir::{At, Binary, Op, Scalar, V};
use crate::syntax::dims::{volume, Dim};
use crate::syntax::signature::Ty;

/// The place of the key among the arguments of an operation that draws random numbers.
pub(super) fn key(op: &ir::Op) -> Option<usize> {
    let last = op.params.len().checked_sub(1)?;
    (op.params[last].0 == "key").then_some(last)
}

impl Emit<'_, '_> {
    pub(super) fn random(&mut self, op: &ir::Op, args: &[Arg]) -> Emitted {
        let at = key(op).ok_or(Failed)?;
        let bits = self.bits(&args[at])?;
        match op.name {
            "random::bits" => Ok(bits),
            "random::bernoulli" => {
                // MLX scales the probability to the float32 above 2^32.
                let (p, most) = (
                    self.operand(&args[0], Scalar::F32)?,
                    self.float(4_294_967_808.0),
                );
                let limit = self.binary(Binary::Multiply, p, most)?;
                let drawn = self.to(bits, Scalar::F32);
                self.binary(Binary::Less, drawn, limit)
            }
            _ => {
                let (low, high) = (
                    self.operand(&args[0], Scalar::F32)?,
                    self.operand(&args[1], Scalar::F32)?,
                );
                let range = self.binary(Binary::Subtract, high, low)?;
                let drawn = self.to(bits, Scalar::F32);
                let most = self.float(4_294_967_296.0);
                let part = self.binary(Binary::Divide, drawn, most)?;
                let below_one = self.float(f64::from(1.0f32.next_down()));
                let part = self.binary(Binary::Minimum, part, below_one)?;
                let scaled = self.binary(Binary::Multiply, range, part)?;
                self.binary(Binary::Add, scaled, low)
            }
        }
    }

    /// A random uint32 for each element of the node's value.
    fn bits(&mut self, key: &Arg) -> Emitted {
        let Arg::Value(id) = *key else {
            return Err(Failed);
        };
        let Kind::Input(argument) = &self.r.graph.nodes[id].kind else {
            return Err(Failed);
        };
        let argument = argument.to_string();
        let inputs = &self.program.inputs;
        let input = inputs.iter().position(|i| i.name == argument);
        let input = input.ok_or(Failed)?;
        let word = |e: &mut Self, i: i64| {
            let none = Dim::constant(0);
            let at = At {
                rows: vec![],
                computed: vec![],
                column: none,
                offset: Dim::constant(i),
            };
            let v = e.push(Op::Load { input, at }, Scalar::U32, None);
            let name = format!("{argument}_{}", ["a", "b"][i as usize]);
            e.program.values[v].name.get_or_insert(name);
            v
        };
        let key = [word(self, 0), word(self, 1)];
        let shape = match &self.r.graph.nodes[self.at].ty {
            Ty::Tensor(shape, _) => shape.clone(),
            _ => return Err(Failed),
        };
        let place = self.element(&shape)?;
        let count = self.size(&volume(&shape), Scalar::I32);
        let (place, count) = (self.to(place, Scalar::U32), self.to(count, Scalar::U32));
        let width = self.width_of(place);
        Ok(self.push(Op::Bits { key, place, count }, Scalar::U32, width))
    }

    /// The place of an element in the whole of the node's value, as int32.
    fn element(&mut self, shape: &[Dim]) -> Result<V, Failed> {
        let mut place = self.whole(0, Scalar::I32);
        for (axis, size) in self.own_axes().iter().zip(shape) {
            if axis.is_empty() {
                continue;
            }
            let own = self.index(axis)?;
            let by = self.size(size, Scalar::I32);
            place = match self.is_zero(place) {
                true => own,
                false => {
                    let outer = self.binary(Binary::Multiply, place, by)?;
                    self.binary(Binary::Add, outer, own)?
                }
            };
        }
        Ok(place)
    }
}

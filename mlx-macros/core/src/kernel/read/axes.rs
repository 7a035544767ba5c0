//! The axes of values: which elements of two values belong together, and which axis is the row.
//!
//! Every axis of a value is a list of atoms, outermost first; an axis of size 1 has none. Operations join atoms that
//! count the same elements and split atoms where a reshape cuts an axis in two.
//!
//! Tests: `tests/kernels.rs`.

use crate::syntax::dims::Dim;
use crate::syntax::names::Names;

/// A name for a run of elements. Others may stand for the same run; see [`Axes::leaves`].
pub(super) type Atom = usize;

/// The atoms of one axis of a value, outermost first.
pub(super) type Axis = Vec<Atom>;

/// Two lists of atoms count elements in different orders.
pub(super) struct Crossed;

enum State {
    Leaf,
    Same(Atom),
    Split(Vec<Atom>),
}

struct Known {
    size: Dim,
    state: State,
    /// True if elements along it meet, so that one instance must own all of them.
    column: bool,
    /// True if it must not be split.
    whole: bool,
}

/// All atoms of a kernel.
pub(super) struct Axes<'a> {
    atoms: Vec<Known>,
    names: &'a Names,
}

impl<'a> Axes<'a> {
    pub(super) fn new(names: &'a Names) -> Self {
        Axes {
            atoms: Vec::new(),
            names,
        }
    }

    /// An axis of that size which no other value shares yet.
    pub(super) fn axis(&mut self, size: &Dim) -> Axis {
        match size.is_one() {
            true => vec![],
            false => vec![self.atom(size.clone(), false, false)],
        }
    }

    fn atom(&mut self, size: Dim, column: bool, whole: bool) -> Atom {
        self.atoms.push(Known {
            size,
            state: State::Leaf,
            column,
            whole,
        });
        self.atoms.len() - 1
    }

    /// The atoms that are not split or joined further.
    pub(super) fn leaves(&self, atoms: &[Atom]) -> Vec<Atom> {
        let mut out = Vec::new();
        for a in atoms {
            match &self.atoms[*a].state {
                State::Leaf => out.push(*a),
                State::Same(b) => out.extend(self.leaves(&[*b])),
                State::Split(parts) => out.extend(self.leaves(parts)),
            }
        }
        out
    }

    /// The number of elements of a leaf.
    pub(super) fn size(&self, leaf: Atom) -> &Dim {
        &self.atoms[leaf].size
    }

    /// The number of elements of a list.
    pub(super) fn volume(&self, atoms: &[Atom]) -> Dim {
        let sizes = atoms.iter().map(|a| self.atoms[*a].size.clone());
        sizes.fold(Dim::constant(1), |v, d| v.times(&d))
    }

    /// True if one instance must own all elements along a leaf.
    pub(super) fn is_column(&self, leaf: Atom) -> bool {
        self.atoms[leaf].column
    }

    /// Elements along these atoms meet; with `whole`, they must stay one run.
    pub(super) fn mark(&mut self, atoms: &[Atom], whole: bool) -> Result<(), Crossed> {
        let leaves = self.leaves(atoms);
        if whole && leaves.len() > 1 {
            return Err(Crossed);
        }
        for leaf in leaves {
            self.atoms[leaf].column = true;
            self.atoms[leaf].whole |= whole;
        }
        Ok(())
    }

    /// Two lists count the same elements in the same order.
    pub(super) fn unify(&mut self, a: &[Atom], b: &[Atom]) -> Result<(), Crossed> {
        let (mut a, mut b) = (self.leaves(a), self.leaves(b));
        a.reverse();
        b.reverse();
        loop {
            let (x, y) = match (a.pop(), b.pop()) {
                (None, None) => return Ok(()),
                (Some(x), Some(y)) => (x, y),
                _ => return Err(Crossed),
            };
            if x == y {
                continue;
            }
            let (sx, sy) = (self.atoms[x].size.clone(), self.atoms[y].size.clone());
            if sx == sy {
                self.join(x, y);
            } else if let Some(rest) = self.names.divide(&sx, &sy) {
                let parts = self.split(x, sy, rest)?;
                self.join(parts[0], y);
                a.push(parts[1]);
            } else if let Some(rest) = self.names.divide(&sy, &sx) {
                let parts = self.split(y, sx, rest)?;
                self.join(x, parts[0]);
                b.push(parts[1]);
            } else {
                return Err(Crossed);
            }
        }
    }

    fn join(&mut self, x: Atom, y: Atom) {
        let (column, whole) = (self.atoms[x].column, self.atoms[x].whole);
        self.atoms[y].column |= column;
        self.atoms[y].whole |= whole;
        self.atoms[x].state = State::Same(y);
    }

    fn split(&mut self, x: Atom, outer: Dim, inner: Dim) -> Result<[Atom; 2], Crossed> {
        if self.atoms[x].whole {
            return Err(Crossed);
        }
        let column = self.atoms[x].column;
        let parts = [
            self.atom(outer, column, false),
            self.atom(inner, column, false),
        ];
        self.atoms[x].state = State::Split(parts.to_vec());
        Ok(parts)
    }
}

/// Sizes of one axis each, after which a row-major array of these sizes is indexed.
pub(super) fn strides(sizes: &[Dim]) -> Vec<Dim> {
    let mut stride = Dim::constant(1);
    let mut out: Vec<Dim> = sizes
        .iter()
        .rev()
        .map(|size| {
            let own = stride.clone();
            stride = stride.times(size);
            own
        })
        .collect();
    out.reverse();
    out
}

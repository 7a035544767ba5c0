//! Random inputs and options, the same for the same seed.

use mlx_runtime::{ops, Array, Dtype, Result};

/// Sizes that an axis may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sizes {
    /// Two to four.
    Plain,
    /// Each letter of a pattern is this size half of the time, otherwise two to four.
    Some(i32),
    /// Zero to four, mostly small.
    Any,
}

/// A generator of options: the same calls after the same seed give the same values.
#[derive(Clone, Debug)]
pub struct Generate {
    state: u64,
    /// Options, shapes, dtypes and values that operations refuse are drawn too.
    pub wild: bool,
}

impl Generate {
    pub fn new(seed: u64, wild: bool) -> Self {
        Self { state: seed, wild }
    }

    /// SplitMix64.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// `low..=high`.
    pub fn within(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((i64::from(high) - i64::from(low) + 1).max(1) as usize) as i32
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub fn bool(&mut self) -> bool {
        self.chance(2)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn float(&mut self, low: f64, high: f64) -> f64 {
        if self.wild && self.chance(8) {
            return self.pick(&[0.0, -0.0, 1e30, -1.0, f64::NAN, f64::INFINITY]);
        }
        low + (high - low) * self.unit()
    }

    /// A size or a count in `low..=high`; when wild sometimes a little outside.
    pub fn size(&mut self, low: i32, high: i32) -> i32 {
        if self.wild && self.chance(6) {
            return self.within(-3, high + 4);
        }
        self.within(low, high)
    }

    /// A place in `low..=high`; when wild sometimes any integer.
    pub fn place(&mut self, low: i32, high: i32) -> i32 {
        if self.wild && self.chance(6) {
            return self.pick(&[i32::MIN, i32::MIN + 1, -100, -7, -1, 0, 7, 100, i32::MAX]);
        }
        self.within(low, high)
    }

    /// An axis of `a`, counted from either end.
    pub fn axis(&mut self, a: &Array) -> i32 {
        if self.wild && self.chance(6) {
            return self.pick(&[i32::MIN, -5, -4, -2, 0, 1, 2, 3, 4, i32::MAX]);
        }
        let n = a.ndim().max(1) as i32;
        self.within(-n, n - 1)
    }

    /// An axis of `a` counted from the first.
    pub fn first_axis(&mut self, a: &Array) -> i32 {
        match self.axis(a) {
            i if i < 0 && !self.wild => i + a.ndim().max(1) as i32,
            i => i,
        }
    }

    pub fn maybe_axis(&mut self, a: &Array) -> Option<i32> {
        (!self.chance(4)).then(|| self.axis(a))
    }

    /// Some of the axes of `a`, in any order.
    pub fn axes(&mut self, a: &Array) -> Vec<i32> {
        let n = a.ndim() as i32;
        let mut all: Vec<i32> = (0..n).collect();
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
        all.truncate(self.below(a.ndim() + 1));
        for axis in &mut all {
            if self.chance(3) {
                *axis -= n;
            }
        }
        if self.wild && self.chance(6) {
            all.push(self.axis(a));
        }
        all
    }

    /// All axes of `a` in another order.
    pub fn permutation(&mut self, a: &Array) -> Vec<i32> {
        let mut all: Vec<i32> = (0..a.ndim() as i32).collect();
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
        if self.wild && self.chance(6) {
            let at = self.below(all.len() + 1);
            all.insert(at, self.axis(a));
        }
        all
    }

    pub fn dims(&mut self, ndim: usize) -> Vec<i32> {
        (0..ndim).map(|_| self.size(1, 3)).collect()
    }

    /// Start, stop and step for each axis of `a`; the steps are often longer than the axis.
    pub fn slice(&mut self, a: &Array) -> [Vec<i32>; 3] {
        let mut all = [vec![], vec![], vec![]];
        for &n in a.shape() {
            all[0].push(self.place(-n - 1, n + 1));
            all[1].push(self.place(-n - 1, n + 1));
            let step = match self.below(3) {
                0 => 1,
                1 => self.place(1, n + 1),
                _ => self.place(-n - 1, -1),
            };
            all[2].push(if self.wild { step } else { step.max(-100) });
            if self.chance(2) {
                // The whole axis, whichever way the step leads.
                let (all_start, all_stop) = if step > 0 { (0, n) } else { (n, -n - 1) };
                *all[0].last_mut().expect("pushed") = all_start;
                *all[1].last_mut().expect("pushed") = all_stop;
            }
        }
        all
    }

    /// The shape of the result of [`Generate::slice`].
    pub fn taken(shape: &[i32], [start, stop, step]: &[Vec<i32>; 3]) -> Vec<i32> {
        let count = |i: usize, n: i32| {
            let (n, by) = (i64::from(n), i64::from(step[i]));
            let (low, high) = if by < 0 { (-1, n - 1) } else { (0, n) };
            let place = |i: i32| (i64::from(i) + if i < 0 { n } else { 0 }).clamp(low, high);
            let length = (place(stop[i]) - place(start[i])) * by.signum();
            match by {
                0 => 0,
                _ => ((length + by.abs() - 1) / by.abs()).max(0) as i32,
            }
        };
        shape
            .iter()
            .enumerate()
            .map(|(i, &n)| count(i, n))
            .collect()
    }

    pub fn integers(&mut self, shape: &[i32], low: i32, high: i32) -> Result<Array> {
        let n: i32 = shape.iter().product();
        let values: Vec<i32> = (0..n).map(|_| self.place(low, high)).collect();
        Array::from_slice(&values, shape)
    }

    pub fn any_dtype(&mut self) -> Dtype {
        use Dtype::*;
        self.pick(&[
            Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Float16, Bfloat16,
            Float32, Float64, Complex64,
        ])
    }

    fn length(&mut self, sizes: Sizes) -> i32 {
        match sizes {
            Sizes::Some(n) if self.bool() => n,
            Sizes::Any => self.pick(&[0, 1, 1, 2, 2, 3, 3, 4]),
            _ => self.within(2, 4),
        }
    }

    /// The shape of each word of a pattern. A letter is an axis, the same size wherever it stands; a
    /// digit is that size, `w` 32 and `x` 64; `*` stands for any axes, the same for all words, and
    /// `~` for axes that broadcast to those.
    pub fn shapes(&mut self, pattern: &str, sizes: Sizes) -> Vec<Vec<i32>> {
        let rank = self.below(4);
        let common: Vec<i32> = (0..rank).map(|_| self.length(sizes)).collect();
        let mut letters = std::collections::BTreeMap::new();
        let mut all = Vec::new();
        for word in pattern.split_whitespace() {
            let word = word.rsplit(':').next().unwrap_or(word);
            let mut shape = Vec::new();
            for c in word.chars() {
                match c {
                    '.' => {}
                    '*' => shape.extend(&common),
                    '~' => {
                        let from = if self.chance(3) {
                            self.below(rank + 1)
                        } else {
                            0
                        };
                        for &n in &common[from..] {
                            shape.push(if self.chance(4) { 1 } else { n });
                        }
                    }
                    'w' => shape.push(32),
                    'x' => shape.push(64),
                    '0'..='9' => shape.push(c as i32 - '0' as i32),
                    letter => match letters.get(&letter) {
                        Some(&n) => shape.push(n),
                        None => {
                            let n = self.length(sizes);
                            letters.insert(letter, n);
                            shape.push(n);
                        }
                    },
                }
            }
            all.push(shape);
        }
        if self.wild && self.chance(3) && !all.is_empty() {
            let at = self.below(all.len());
            let axes = all[at].len();
            match self.below(3) {
                0 if axes > 0 => all[at][self.below(axes)] = self.within(0, 4),
                1 if axes > 0 => drop(all[at].remove(self.below(axes))),
                _ => all[at].insert(self.below(axes + 1), self.within(0, 3)),
            }
        }
        all
    }

    /// An input: a word's kind (`i:` small integers, `b:` booleans, `k:` a key, otherwise floats of
    /// `range`) in a shape.
    pub fn input(
        &mut self,
        word: &str,
        shape: &[i32],
        range: (f64, f64),
        dtype: Dtype,
    ) -> Result<Array> {
        let n: i32 = shape.iter().product();
        let kind = word.split_once(':').map_or("", |(kind, _)| kind);
        let a = match kind {
            "i" => self.integers(shape, -3, 3)?,
            "b" => {
                let values: Vec<bool> = (0..n).map(|_| self.bool()).collect();
                Array::from_slice(&values, shape)?
            }
            "k" => {
                let values: Vec<u32> = (0..n).map(|_| self.next() as u32).collect();
                Array::from_slice(&values, shape)?
            }
            _ => {
                // Exact in float32, so that every precision sees the same point.
                let spicy = self.wild && self.chance(4);
                let mut value = || match spicy {
                    true => self.float(range.0, range.1) as f32,
                    false => (range.0 + (range.1 - range.0) * self.unit()) as f32,
                };
                let values: Vec<f32> = (0..n).map(|_| value()).collect();
                return ops::astype(&Array::from_slice(&values, shape)?, dtype);
            }
        };
        if self.wild && self.chance(6) {
            let other = self.any_dtype();
            return ops::astype(&a, other);
        }
        Ok(a)
    }
}

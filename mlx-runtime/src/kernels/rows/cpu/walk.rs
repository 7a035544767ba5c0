//! Where the elements of each row lie in their arrays.
//!
//! Tests: `mlx-tests --test kernels`.

use super::super::program::At;

/// The column that an index stands for: a negative one counts from the end, and what is outside then is clamped.
#[inline(always)]
pub fn place(index: i64, len: usize) -> usize {
    let n = len as i64;
    let at = if index < 0 { index + n } else { index };
    at.clamp(0, (n - 1).max(0)) as usize
}

/// The coordinates of a row, and the places of its elements in several arrays.
///
/// From one row to the next, the coordinate of one axis grows by 1, and those after it become 0 again. The distance that a
/// place moves then depends on the axis alone.
pub(super) struct Walk {
    sizes: Vec<usize>,
    /// The row's coordinates.
    pub at: Vec<i32>,
    /// For each place, the distance for each axis.
    steps: Vec<isize>,
    places: Vec<usize>,
}

impl Walk {
    /// A walk from row `first` on, where rows have coordinates of these sizes.
    pub fn new(sizes: Vec<usize>, first: usize) -> Self {
        let (mut at, mut rest) = (vec![0i32; sizes.len()], first);
        for (a, size) in at.iter_mut().zip(&sizes).rev() {
            *a = (rest % size) as i32;
            rest /= size;
        }
        Walk {
            sizes,
            at,
            steps: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Adds a place of the program, without rows that an index chooses.
    pub fn add(&mut self, at: &At, sizes: &[i64]) {
        let of = |stride: usize| sizes[stride] as isize;
        let stride = |axis: usize| at.rows.iter().find(|r| r.0 == axis).map_or(0, |r| of(r.1));
        self.push(of(at.offset), stride);
    }

    /// Adds a place that moves by `step` for each row; there is one coordinate at most.
    pub fn add_pieces(&mut self, step: usize) {
        self.push(0, |_| step as isize);
    }

    fn push(&mut self, offset: isize, stride: impl Fn(usize) -> isize) {
        let axes = self.sizes.len();
        let (mut place, mut back) = (offset, 0);
        let start = self.steps.len();
        self.steps.resize(start + axes, 0);
        for axis in (0..axes).rev() {
            let stride = stride(axis);
            self.steps[start + axis] = stride - back;
            back += stride * (self.sizes[axis] as isize - 1);
            place += stride * self.at[axis] as isize;
        }
        self.places.push(place as usize);
    }

    /// The places, in the order in which they were added.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// The distance of place `i` from one row to its neighbour on the last axis.
    pub fn step(&self, i: usize) -> usize {
        let axes = self.sizes.len();
        match axes {
            0 => 0,
            _ => self.steps[i * axes + axes - 1] as usize,
        }
    }

    /// The number of rows from this one to the last on the last axis.
    pub fn left(&self) -> usize {
        let last = self.sizes.last().zip(self.at.last());
        last.map_or(1, |(size, at)| size - *at as usize)
    }

    /// Goes on by `count` rows, which are no more than [`Walk::left`].
    pub fn advance(&mut self, count: usize) {
        let axes = self.sizes.len();
        if let Some(last) = self.at.last_mut() {
            *last += count as i32 - 1;
            let steps = self.steps.iter().skip(axes - 1).step_by(axes);
            for (place, step) in self.places.iter_mut().zip(steps) {
                *place += (count - 1) * *step as usize;
            }
        }
        self.next();
    }

    /// Goes on to the next row.
    fn next(&mut self) {
        let axes = self.sizes.len();
        for axis in (0..axes).rev() {
            self.at[axis] += 1;
            if (self.at[axis] as usize) < self.sizes[axis] {
                let steps = self.steps[axis..].iter().step_by(axes);
                for (place, step) in self.places.iter_mut().zip(steps) {
                    *place = place.wrapping_add_signed(*step);
                }
                return;
            }
            self.at[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_rows() {
        // Strides 100, none and 7 from 3 on, of rows [2, 3, 4].
        let sizes = [2i64, 3, 4, 100, 7, 1, 3];
        let at = At {
            rows: &[(2, 4), (0, 3)],
            chosen: &[],
            column: 5,
            offset: 6,
        };
        for (first, most) in [(0, 1), (5, 1), (23, 1), (0, 3), (1, 4)] {
            let mut walk = Walk::new(vec![2, 3, 4], first);
            walk.add(&at, &sizes);
            assert_eq!(walk.step(0), 7);
            let mut row = first;
            while row < 24 {
                let (a, c) = (row / 12, row % 4);
                assert_eq!(walk.at, [a as i32, (row / 4 % 3) as i32, c as i32]);
                assert_eq!(walk.places(), [3 + 100 * a + 7 * c], "{row}");
                assert_eq!(walk.left(), 4 - c);
                let count = most.min(walk.left());
                walk.advance(count);
                row += count;
            }
        }
    }

    #[test]
    fn an_index_outside_is_clamped() {
        assert_eq!([place(-1, 5), place(9, 5), place(-9, 5)], [4, 4, 0]);
    }
}

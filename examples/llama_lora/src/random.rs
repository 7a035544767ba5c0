//! Random numbers for the order of the rows. Their state is small, is saved, and means the same everywhere.
//!
//! Tests: unit tests below.

use serde::{Deserialize, Serialize};

/// A source of permutations with a state that can be saved and restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shuffle {
    /// SplitMix64: the default.
    Split(u64),
    /// NumPy's legacy generator, which mlx-lm draws its batches from (`--compat`).
    Numpy(Box<Mt19937>),
}

impl Shuffle {
    /// The default generator.
    pub fn new(seed: u64) -> Self {
        Shuffle::Split(seed)
    }

    /// Returns the generator that `numpy.random.seed(seed)` sets up.
    pub fn numpy(seed: u32) -> Self {
        Shuffle::Numpy(Box::new(Mt19937::new(seed)))
    }

    /// The numbers `0..n` in a random order; with the NumPy generator, `numpy.random.permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.up_to(i));
        }
        order
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        self.up_to((1 << 53) - 1) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..=max`, by rejection, so that no value is favoured.
    fn up_to(&mut self, max: usize) -> usize {
        let max = max as u64;
        let mask = u64::MAX >> max.leading_zeros().min(63);
        loop {
            let value = mask
                & match self {
                    Shuffle::Split(state) => split_mix(state),
                    Shuffle::Numpy(mt) if max <= u64::from(u32::MAX) => u64::from(mt.next()),
                    Shuffle::Numpy(mt) => u64::from(mt.next()) << 32 | u64::from(mt.next()),
                };
            if value <= max {
                return value as usize;
            }
        }
    }
}

/// The next number of SplitMix64.
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const N: usize = 624;

/// The Mersenne twister of NumPy's `RandomState`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "MtState", into = "MtState")]
pub struct Mt19937 {
    key: [u32; N],
    position: usize,
}

#[derive(Serialize, Deserialize)]
struct MtState {
    key: Vec<u32>,
    position: usize,
}

impl From<Mt19937> for MtState {
    fn from(mt: Mt19937) -> Self {
        MtState {
            key: mt.key.to_vec(),
            position: mt.position,
        }
    }
}

impl TryFrom<MtState> for Mt19937 {
    type Error = String;

    fn try_from(state: MtState) -> Result<Self, String> {
        let key = <[u32; N]>::try_from(state.key).map_err(|k| {
            format!(
                "expected {N} words in the generator's key, found {}",
                k.len()
            )
        })?;
        if state.position > N {
            return Err(format!(
                "expected a position of at most {N}, found {}",
                state.position
            ));
        }
        Ok(Mt19937 {
            key,
            position: state.position,
        })
    }
}

impl Mt19937 {
    fn new(seed: u32) -> Self {
        let mut key = [0; N];
        let mut word = seed;
        for (i, slot) in key.iter_mut().enumerate() {
            *slot = word;
            word = (word ^ (word >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(i as u32 + 1);
        }
        Mt19937 { key, position: N }
    }

    fn next(&mut self) -> u32 {
        if self.position == N {
            for i in 0..N {
                let bits = (self.key[i] & 0x8000_0000) | (self.key[(i + 1) % N] & 0x7fff_ffff);
                let odd = if bits & 1 == 1 { 0x9908_b0df } else { 0 };
                self.key[i] = self.key[(i + 397) % N] ^ (bits >> 1) ^ odd;
            }
            self.position = 0;
        }
        let mut y = self.key[self.position];
        self.position += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.seed(0); [numpy.random.permutation(n).tolist() for n in (10, 7)]`, and the same with seed 1234.
    #[test]
    fn permutations_are_numpys() {
        let mut zero = Shuffle::numpy(0);
        assert_eq!(zero.permutation(10), [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
        assert_eq!(zero.permutation(7), [3, 1, 2, 6, 5, 0, 4]);
        let mut other = Shuffle::numpy(1234);
        assert_eq!(other.permutation(10), [7, 2, 9, 1, 0, 8, 4, 5, 6, 3]);
    }

    #[test]
    fn state_survives_json() {
        for mut shuffle in [Shuffle::new(7), Shuffle::numpy(7)] {
            shuffle.permutation(1000);
            let text = serde_json::to_string(&shuffle).unwrap();
            let mut back: Shuffle = serde_json::from_str(&text).unwrap();
            assert_eq!(back.permutation(50), shuffle.permutation(50));
        }
        assert!(serde_json::from_str::<Shuffle>(r#"{"numpy":{"key":[1],"position":0}}"#).is_err());
    }
}

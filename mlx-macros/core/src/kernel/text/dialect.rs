//! The words in which the dialects differ.
//!
//! Tests: `tests/text.rs`.

use crate::kernel::ir::Unary;

/// A dialect of C++ for kernels.
pub(super) struct Dialect {
    /// The qualifiers of a function that kernels call.
    pub function: &'static str,
    /// The qualifier of an array that the threads of a block share.
    pub shared: &'static str,
    /// A statement that waits for all threads of a block.
    pub barrier: &'static str,
    /// The value of another lane, whose number differs by `exclusive or`.
    pub shuffle: fn(&str, &str) -> String,
    /// Expressions for a thread's number in its block, and for the block's number.
    pub thread: &'static str,
    pub block: &'static str,
    /// The line before a loop that should be unrolled.
    pub unroll: &'static str,
    /// True if text loads and stores several columns at once by itself; Metal's compiler does it.
    pub packs: bool,
    pub fabs: &'static str,
    pub pow: &'static str,
    pub atan2: &'static str,
    /// Names of functions of one float32; `None` for those that the dialect lacks.
    pub functions: fn(Unary) -> Option<&'static str>,
    /// Functions that text may call, in an order in which each calls earlier ones only.
    pub own: &'static [(&'static str, &'static str)],
}

impl Dialect {
    pub fn function(&self, op: Unary) -> Option<&'static str> {
        (self.functions)(op)
    }
}

/// Functions that both dialects lack, without qualifiers.
pub(super) const SHARED: &[(&str, &str)] = &[
    (
        "place_of",
        "// A negative index counts from the end; what is outside is clamped.
int place_of(int i, int n) {
  return min(max(i < 0 ? i + n : i, 0), n - 1);
}
int place_of(unsigned i, int n) {
  return int(min(i, unsigned(n - 1)));
}",
    ),
    (
        "random_bits",
        "// The number at a place of n random ones, as MLX's random.bits: Threefry 2x32 gives two of them at a time.
unsigned random_bits(unsigned key_a, unsigned key_b, unsigned place, unsigned n) {
  const unsigned low = n / 2u;
  const unsigned high = n - low;
  const bool is_first = place < high;
  unsigned a = is_first ? place : place - high;
  unsigned b = is_first ? (place < low ? place + high : 0u) : place;
  const unsigned keys[3] = {key_a, key_b, key_a ^ key_b ^ 0x1BD11BDAu};
  a += key_a;
  b += key_b;
#pragma unroll
  for (unsigned i = 0u; i < 5u; ++i) {
    const bool even = i % 2u == 0u;
    const unsigned turns[4] = {even ? 13u : 17u, even ? 15u : 29u, even ? 26u : 16u, even ? 6u : 24u};
#pragma unroll
    for (unsigned j = 0u; j < 4u; ++j) {
      a += b;
      b = (b << turns[j]) | (b >> (32u - turns[j]));
      b ^= a;
    }
    a += keys[(i + 1u) % 3u];
    b += keys[(i + 2u) % 3u] + i + 1u;
  }
  return is_first ? a : b;
}",
    ),
    (
        "absolute",
        "int absolute(int x) {
  return x < 0 ? int(0u - unsigned(x)) : x;
}",
    ),
    (
        "sign_of",
        "float sign_of(float x) {
  return isnan(x) ? x : float(x > 0.0f) - float(x < 0.0f);
}",
    ),
    (
        "to_int",
        "// Cut towards 0; what is too large becomes the largest.
int to_int(float x) {
  const int least = -2147483647 - 1;
  return isnan(x) ? 0 : x >= 2147483648.0f ? 2147483647 : x <= -2147483648.0f ? least : int(x);
}",
    ),
    (
        "to_unsigned",
        "unsigned to_unsigned(float x) {
  return isnan(x) || x <= 0.0f ? 0u : x >= 4294967296.0f ? 4294967295u : unsigned(x);
}",
    ),
    (
        "maximum",
        "// NaN if either is.
float maximum(float a, float b) {
  return isnan(a) || a > b ? a : b;
}
int maximum(int a, int b) {
  return a > b ? a : b;
}
unsigned maximum(unsigned a, unsigned b) {
  return a > b ? a : b;
}
bool maximum(bool a, bool b) {
  return a || b;
}",
    ),
    (
        "minimum",
        "// NaN if either is.
float minimum(float a, float b) {
  return isnan(a) || a < b ? a : b;
}
int minimum(int a, int b) {
  return a < b ? a : b;
}
unsigned minimum(unsigned a, unsigned b) {
  return a < b ? a : b;
}
bool minimum(bool a, bool b) {
  return a && b;
}",
    ),
    (
        "floor_divide",
        "float floor_divide(float a, float b) {
  return floor(a / b);
}
// Whole numbers are cut towards 0; a divisor of 0 gives 0.
int floor_divide(int a, int b) {
  return b == 0 ? 0 : b == -1 ? int(0u - unsigned(a)) : a / b;
}
unsigned floor_divide(unsigned a, unsigned b) {
  return b == 0u ? 0u : a / b;
}",
    ),
    (
        "remainder_of",
        "// With the sign of the divisor; a whole divisor of 0 gives 0.
float remainder_of(float a, float b) {
  const float r = fmod(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}
int remainder_of(int a, int b) {
  if (b == 0 || b == -1) {
    return 0;
  }
  const int r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
unsigned remainder_of(unsigned a, unsigned b) {
  return b == 0u ? 0u : a % b;
}",
    ),
    (
        "power",
        "unsigned power(unsigned base, unsigned exponent) {
  unsigned out = 1u;
  for (; exponent != 0u; exponent >>= 1) {
    out *= exponent & 1u ? base : 1u;
    base *= base;
  }
  return out;
}
int power(int base, int exponent) {
  return exponent < 0 ? 0 : int(power(unsigned(base), unsigned(exponent)));
}",
    ),
];

//! Half types, many at once: without branches, so that the compiler makes vectors of the loops.
//!
//! Tests: unit tests below.

/// The float32 of the bits of a bfloat16.
#[inline(always)]
pub(super) fn of_bfloat16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The bits of the nearest bfloat16, ties to even.
#[inline(always)]
pub(super) fn to_bfloat16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    if x.is_nan() {
        ((bits >> 16) | 0x40) as u16
    } else {
        rounded as u16
    }
}

/// The float32 of the bits of a float16.
#[inline(always)]
pub(super) fn of_float16(bits: u16) -> f32 {
    let bits = u32::from(bits);
    let (sign, rest) = ((bits & 0x8000) << 16, bits & 0x7fff);
    // The exponent's bias by a product, which makes normal numbers of those below them, too.
    let scaled = f32::from_bits(rest << 13) * f32::from_bits(0x7780_0000);
    let infinite = f32::from_bits((rest << 13) | 0x7f80_0000);
    let size = if rest >= 0x7c00 { infinite } else { scaled };
    f32::from_bits(size.to_bits() | sign)
}

/// The bits of the nearest float16, ties to even.
#[inline(always)]
pub(super) fn to_float16(x: f32) -> u16 {
    let bits = x.to_bits();
    let (sign, size) = ((bits >> 16) & 0x8000, bits & 0x7fff_ffff);
    // Below the normal numbers, adding 1/2 leaves the mantissa in the low bits.
    let small = (f32::from_bits(size) + 0.5)
        .to_bits()
        .wrapping_sub(0.5f32.to_bits());
    let odd = (size >> 13) & 1;
    let normal = size.wrapping_add(0xc800_0fff).wrapping_add(odd) >> 13;
    let rounded = if size < 0x3880_0000 { small } else { normal };
    let limited = if size >= 0x4780_0000 { 0x7c00 } else { rounded };
    let all = if size > 0x7f80_0000 {
        0x7e00 | ((size >> 13) & 0x1ff)
    } else {
        limited
    };
    (all | sign) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn every_half_is_read_and_written_as_the_crate_half_does() {
        for bits in 0..=u16::MAX {
            let (a, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            let (x, y) = (of_float16(bits), of_bfloat16(bits));
            assert!(
                x.to_bits() == a.to_f32().to_bits() || a.is_nan() && x.is_nan(),
                "{bits:x}"
            );
            assert!(
                y.to_bits() == b.to_f32().to_bits() || b.is_nan() && y.is_nan(),
                "{bits:x}"
            );
        }
        for bits in (0..=u32::MAX).step_by(9973) {
            let x = f32::from_bits(bits);
            let (a, b) = (
                f16::from_bits(to_float16(x)),
                bf16::from_bits(to_bfloat16(x)),
            );
            assert!(
                a == f16::from_f32(x) || x.is_nan() && a.is_nan(),
                "{x}: {a}"
            );
            assert!(
                b == bf16::from_f32(x) || x.is_nan() && b.is_nan(),
                "{x}: {b}"
            );
        }
    }
}

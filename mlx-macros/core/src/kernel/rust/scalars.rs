//! Expressions of the operations on scalars.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test kernels`.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::Ident;

use crate::kernel::ir::{Binary, Constant, Scalar, Unary};

pub(super) fn ty(s: Scalar) -> Ident {
    format_ident!(
        "{}",
        match s {
            Scalar::F32 => "f32",
            Scalar::I32 => "i32",
            Scalar::U32 => "u32",
            Scalar::Bool => "bool",
        }
    )
}

pub(super) fn constant(c: Constant, to: Scalar) -> TokenStream {
    match (c, to) {
        (Constant::Float(x), _) if x.is_finite() && (x != 0.0 || x.is_sign_positive()) => {
            let digits = Literal::f32_suffixed(x.abs());
            match x < 0.0 {
                true => quote! { -#digits },
                false => quote! { #digits },
            }
        }
        (Constant::Float(x), _) => {
            let bits = Literal::u32_suffixed(x.to_bits());
            quote! { f32::from_bits(#bits) }
        }
        (Constant::Whole(n), Scalar::Bool) => {
            let set = n != 0;
            quote! { #set }
        }
        (Constant::Whole(n), Scalar::U32) => {
            let n = Literal::u32_suffixed(n as u32);
            quote! { #n }
        }
        (Constant::Whole(n), _) => {
            let n = n as i32;
            quote! { #n }
        }
    }
}

pub(super) fn unary(op: Unary, s: Scalar, a: TokenStream) -> TokenStream {
    let math = |name: &str| {
        let name = format_ident!("{name}");
        quote! { __r::math::#name(#a) }
    };
    match (op, s) {
        (Unary::Not, _) => quote! { !#a },
        (Unary::Abs, Scalar::F32) => quote! { #a.abs() },
        (Unary::Abs, Scalar::I32) => quote! { #a.wrapping_abs() },
        (Unary::Negative, Scalar::F32) => quote! { -#a },
        (Unary::Negative, Scalar::I32 | Scalar::U32) => quote! { #a.wrapping_neg() },
        (Unary::Sign, Scalar::F32) => math("sign"),
        (Unary::Sign, Scalar::I32) => quote! { #a.signum() },
        (Unary::Sign, Scalar::U32) => quote! { #a.min(1) },
        // Whole numbers are whole already.
        (_, Scalar::I32 | Scalar::U32 | Scalar::Bool) => a,
        (Unary::Floor, _) => quote! { #a.floor() },
        (Unary::Ceil, _) => quote! { #a.ceil() },
        (Unary::Trunc, _) => quote! { #a.trunc() },
        (Unary::Round, _) => quote! { #a.round_ties_even() },
        (Unary::Sqrt, _) => quote! { #a.sqrt() },
        (Unary::Rsqrt, _) => quote! { 1.0f32 / #a.sqrt() },
        (Unary::IsNan, _) => quote! { #a.is_nan() },
        (Unary::IsInf, _) => quote! { #a.is_infinite() },
        (op, _) => math(&format!("{op:?}").to_lowercase()),
    }
}

pub(super) fn binary(op: Binary, s: Scalar, a: TokenStream, b: TokenStream) -> TokenStream {
    use Binary::*;
    let kind = ty(s);
    let math = |name: &str| {
        let name = format_ident!("{name}_{kind}");
        quote! { __r::math::#name(#a, #b) }
    };
    match (op, s) {
        (Equal, _) => quote! { #a == #b },
        (NotEqual, _) => quote! { #a != #b },
        (Less, _) => quote! { #a < #b },
        (LessEqual, _) => quote! { #a <= #b },
        (Greater, _) => quote! { #a > #b },
        (GreaterEqual, _) => quote! { #a >= #b },
        (And, _) => quote! { #a & #b },
        (Or, _) => quote! { #a | #b },
        (Xor, _) => quote! { #a ^ #b },
        (LeftShift, _) => quote! { #a.wrapping_shl(#b as u32) },
        (RightShift, _) => quote! { #a.wrapping_shr(#b as u32) },
        (Add | Maximum, Scalar::Bool) => quote! { #a | #b },
        (Multiply | Minimum, Scalar::Bool) => quote! { #a & #b },
        (_, Scalar::Bool) => quote! { #a ^ #b },
        (Add, Scalar::F32) => quote! { #a + #b },
        (Subtract, Scalar::F32) => quote! { #a - #b },
        (Multiply, Scalar::F32) => quote! { #a * #b },
        (Divide, Scalar::F32) => quote! { #a / #b },
        (FloorDivide, Scalar::F32) => quote! { (#a / #b).floor() },
        (Add, _) => quote! { #a.wrapping_add(#b) },
        (Subtract, _) => quote! { #a.wrapping_sub(#b) },
        (Multiply, _) => quote! { #a.wrapping_mul(#b) },
        (Maximum, Scalar::I32 | Scalar::U32) => quote! { #a.max(#b) },
        (Minimum, Scalar::I32 | Scalar::U32) => quote! { #a.min(#b) },
        (Divide | FloorDivide, _) => math("floor_divide"),
        (Remainder, _) => math("remainder"),
        (Maximum, _) => math("maximum"),
        (Minimum, _) => math("minimum"),
        (Power, _) => math("power"),
        (Arctan2, _) => math("arctan2"),
        (Logaddexp, _) => math("logaddexp"),
    }
}

pub(super) fn cast(from: Scalar, to: Scalar, a: TokenStream) -> TokenStream {
    match (from, to) {
        _ if from == to => a,
        (Scalar::F32, Scalar::Bool) => quote! { #a != 0.0 },
        (_, Scalar::Bool) => quote! { #a != 0 },
        (Scalar::Bool, Scalar::F32) => quote! { f32::from(u8::from(#a)) },
        (Scalar::Bool, to) => {
            let to = ty(to);
            quote! { #to::from(#a) }
        }
        (_, to) => {
            let to = ty(to);
            quote! { (#a as #to) }
        }
    }
}

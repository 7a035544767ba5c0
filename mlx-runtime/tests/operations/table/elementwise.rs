//! Functions of each element, and reductions.

use mlx_runtime::{ops, Dtype};

use super::{plain, rows, Operation};

const WIDE: (f64, f64) = (-2.0, 2.0);
const INSIDE: (f64, f64) = (0.1, 0.9);

pub fn add(all: &mut Vec<Operation>) {
    plain! { all, Smooth, WIDE, "*";
        arctan(0) arcsinh(0) cosh(0) degrees(0) expm1(0) negative(0)
        radians(0) real(0) sinh(0) square(0) tanh(0)
        copy(0) conjugate(0) zeros_like(0) ones_like(0)
    }
    plain! { all, Single, WIDE, "*";
        cos(0) erf(0) exp(0) sin(0) sigmoid(0)
    }
    plain! { all, Smooth, INSIDE, "*";
        abs(0) arccos(0) arcsin(0) arctanh(0) log(0)
        log10(0) log1p(0) log2(0) reciprocal(0) rsqrt(0) sqrt(0)
        tan(0)
    }
    plain! { all, Smooth, (1.1, 2.0), "*";
        arccosh(0)
    }
    plain! { all, Steps, WIDE, "*";
        ceil(0) floor(0) trunc(0) sign(0) isfinite(0) isinf(0)
        isnan(0) isneginf(0) isposinf(0) logical_not(0) imag(0)
        positive(0) to_fp8(0)
    }
    plain! { all, Smooth, WIDE, "~ ~";
        add(0, 1) subtract(0, 1) multiply(0, 1) arctan2(0, 1)
    }
    plain! { all, Single, WIDE, "~ ~";
        logaddexp(0, 1)
    }
    plain! { all, Steps, WIDE, "~ ~";
        maximum(0, 1) minimum(0, 1)
    }
    plain! { all, Smooth, (0.3, 0.9), "~ ~";
        divide(0, 1) power(0, 1)
    }
    plain! { all, Steps, (0.3, 2.0), "~ ~";
        remainder(0, 1) floor_divide(0, 1) equal(0, 1) not_equal(0, 1) greater(0, 1) greater_equal(0, 1)
        less(0, 1) less_equal(0, 1) logical_and(0, 1) logical_or(0, 1) logical_xor(0, 1)
    }
    plain! { all, Steps, WIDE, "i:~ i:~";
        bitwise_and(0, 1) bitwise_or(0, 1) bitwise_xor(0, 1) remainder(0, 1)
        floor_divide(0, 1) divide(0, 1)
    }
    plain! { all, Single, INSIDE, "*"; erfinv(0) }
    plain! { all, Called, WIDE, "*"; stop_gradient(0) }
    plain! { all, Called, WIDE, "i:~ i:~"; left_shift(0, 1) right_shift(0, 1) }
    rows! { all, Steps, WIDE;
        "left_shift" "i:~ i:~" => |x, g| ops::left_shift(&x[0], &ops::abs(&x[1])?);
        "right_shift" "i:~ i:~" => |x, g| ops::right_shift(&x[0], &ops::abs(&x[1])?);
        "bitwise_invert" "i:*" => |x, g| ops::bitwise_invert(&x[0]);
        "divmod" "~ ~" => |x, g| ops::divmod(&x[0], &x[1]);
        "divmod" "i:~ i:~" => |x, g| ops::divmod(&x[0], &x[1]);
        "round" "*" => |x, g| ops::round(&x[0], g.within(-2, 2));
        "where_" "b:~ ~ ~" => |x, g| ops::where_(&x[0], &x[1], &x[2]);
        "isclose" "~ ~" => |x, g| ops::isclose(&x[0], &x[1], 0.1, 0.1, g.bool());
        "allclose" "~ ~" => |x, g| ops::allclose(&x[0], &x[1], 0.1, 0.1, g.bool());
        "array_equal" "* *" => |x, g| ops::array_equal(&x[0], &x[1], g.bool());
        "view" "*" => |x, g| ops::view(&x[0], g.pick(&[Dtype::Int32, Dtype::Uint8, Dtype::Float16, Dtype::Int64]));
        "from_fp8" "i:*" => |x, g| ops::from_fp8(&ops::astype(&x[0], Dtype::Uint8)?, Dtype::Float32);
        "max" "*" => |x, g| ops::max(&x[0], &g.axes(&x[0]), g.bool());
        "min" "*" => |x, g| ops::min(&x[0], &g.axes(&x[0]), g.bool());
        "all" "b:*" => |x, g| ops::all(&x[0], &g.axes(&x[0]), g.bool());
        "any" "b:*" => |x, g| ops::any(&x[0], &g.axes(&x[0]), g.bool());
        "count_nonzero" "i:*" => |x, g| ops::count_nonzero(&x[0], &g.axes(&x[0]), g.bool());
        "median" "*" => |x, g| ops::median(&x[0], &g.axes(&x[0]), g.bool());
        "argmax" "*" => |x, g| ops::argmax(&x[0], g.maybe_axis(&x[0]), g.bool());
        "argmin" "*" => |x, g| ops::argmin(&x[0], g.maybe_axis(&x[0]), g.bool());
        "cummax" "*" => |x, g| ops::cummax(&x[0], g.maybe_axis(&x[0]), g.bool(), g.bool());
        "cummin" "*" => |x, g| ops::cummin(&x[0], g.maybe_axis(&x[0]), g.bool(), g.bool());
        "sort" "*" => |x, g| ops::sort(&x[0], g.maybe_axis(&x[0]));
        "argsort" "*" => |x, g| ops::argsort(&x[0], g.maybe_axis(&x[0]));
        "topk" "*" => |x, g| ops::sort(&ops::topk(&x[0], g.size(1, 2), -1)?, -1);
        "partition" "*" => |x, g| ops::sort(&ops::partition(&x[0], g.place(0, 2), -1)?, -1);
        "searchsorted" "a *" => |x, g| ops::searchsorted(&ops::sort(&x[0], -1)?, &x[1], g.pick(&[ops::Side::Left, ops::Side::Right]));
    }
    rows! { all, Called, WIDE;
        "argpartition" "*" => |x, g| ops::argpartition(&x[0], g.place(0, 2), g.maybe_axis(&x[0]));
        "topk" "*" => |x, g| ops::topk(&x[0], g.size(0, 3), g.maybe_axis(&x[0]));
        "partition" "*" => |x, g| ops::partition(&x[0], g.place(-2, 2), g.maybe_axis(&x[0]));
    }
    rows! { all, Smooth, WIDE;
        "clip" "* . ." => |x, g| ops::clip(&x[0], Some(&ops::subtract(&x[1], &ops::full(&[], &mlx_runtime::Array::scalar(2.0f32)?, x[1].dtype())?)?),
            g.bool().then_some(&ops::add(&x[2], &ops::full(&[], &mlx_runtime::Array::scalar(2.0f32)?, x[2].dtype())?)?));
        "astype" "*" => |x, g| ops::astype(&ops::square(&x[0])?, if g.wild { g.any_dtype() } else { x[0].dtype() });
        "full" "~" => |x, g| { let mut to = g.dims(1); to.extend(x[0].shape()); ops::full(&to, &x[0], x[0].dtype()) };
        "full_like" "* ~" => |x, g| ops::full_like(&x[0], &x[1], x[0].dtype());
        "ones_like_dtype" "*" => |x, g| ops::ones_like_dtype(&x[0], Dtype::Float32);
        "zeros_like_dtype" "*" => |x, g| ops::zeros_like_dtype(&x[0], Dtype::Float32);
        "sum" "*" => |x, g| ops::sum(&x[0], &g.axes(&x[0]), g.bool());
        "mean" "*" => |x, g| ops::mean(&x[0], &g.axes(&x[0]), g.bool());
        "var" "*" => |x, g| ops::var(&x[0], &g.axes(&x[0]), g.bool(), 0);
        "cumsum" "*" => |x, g| ops::cumsum(&x[0], g.maybe_axis(&x[0]), g.bool(), g.bool());
        "diff" "*" => |x, g| ops::diff(&x[0], g.size(0, 2), g.axis(&x[0]));
        "number_of_elements" "*" => |x, g| { let n = ops::number_of_elements(&x[0], &g.axes(&x[0]), g.bool(), x[0].dtype())?; ops::multiply(&x[0], &n) };
    }
    rows! { all, Smooth, (0.5, 1.5);
        "prod" "*" => |x, g| ops::prod(&x[0], &g.axes(&x[0]), g.bool());
        "cumprod" "*" => |x, g| ops::cumprod(&x[0], g.maybe_axis(&x[0]), g.bool(), g.bool());
    }
    rows! { all, Single, WIDE;
        "nan_to_num" "*" => |x, g| ops::nan_to_num(&x[0], 0.5, g.bool().then_some(1.0), None);
        "logsumexp" "*" => |x, g| ops::logsumexp(&x[0], &g.axes(&x[0]), g.bool());
        "logcumsumexp" "*" => |x, g| ops::logcumsumexp(&x[0], g.maybe_axis(&x[0]), g.bool(), true);
        "softmax" "*" => |x, g| ops::softmax(&x[0], &g.axes(&x[0]), g.bool());
        // There is no derivative if all elements are the same.
        "std" "*4" => |x, g| { let ramp = ops::arange(0.0, 20.0, 5.0, x[0].dtype())?; ops::std(&ops::add(&x[0], &ramp)?, &[-1], g.bool(), 0) };
    }
}

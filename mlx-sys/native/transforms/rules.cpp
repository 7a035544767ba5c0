// Rules of single operations that replace MLX's rules; see rules.h.

#include "transforms/rules.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>
#include <tuple>

#include "transforms/forwards.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

using List = std::vector<array>;
using Axes = std::vector<int>;

// The examples along the first axis. An input that is the same for all gets an axis of size 1, or
// `repeated` of them.
array in_front(const array& a, int axis, mx::Stream s, int repeated = 1) {
  if (axis >= 0) {
    return axis == 0 ? a : mx::moveaxis(a, axis, 0, s);
  }
  auto out = mx::expand_dims(a, 0, s);
  if (repeated != 1) {
    auto shape = out.shape();
    shape[0] = repeated;
    out = mx::broadcast_to(out, shape, s);
  }
  return out;
}

int batch_size(const List& inputs, const Axes& axes) {
  for (size_t i = 0; i < axes.size(); i++) {
    if (axes[i] >= 0) {
      return inputs[i].shape(axes[i]);
    }
  }
  return 1;
}

mx::Shape batched(int size, const mx::Shape& shape) {
  mx::Shape out{size};
  out.insert(out.end(), shape.begin(), shape.end());
  return out;
}

Axes shifted(Axes axes) {
  for (auto& axis : axes) {
    axis++;
  }
  return axes;
}

array scatter(mx::Scatter::ReduceType kind, const array& src, const List& indices, const array& updates, const Axes& axes, mx::Stream s) {
  switch (kind) {
    case mx::Scatter::Max:
      return mx::scatter_max(src, indices, updates, axes, s);
    case mx::Scatter::Min:
      return mx::scatter_min(src, indices, updates, axes, s);
    case mx::Scatter::Sum:
      return mx::scatter_add(src, indices, updates, axes, s);
    case mx::Scatter::Prod:
      return mx::scatter_prod(src, indices, updates, axes, s);
    default:
      return mx::scatter(src, indices, updates, axes, s);
  }
}

// MLX places the axis of the examples beside the wrong axes of the updates.
array scatter_batch(const array& node, const List& inputs, const Axes& in_axes, mx::Stream s) {
  const auto [kind, axes] = static_cast<mx::Scatter&>(node.primitive()).state();
  const int size = batch_size(inputs, in_axes);
  List all;
  for (size_t i = 0; i < inputs.size(); i++) {
    all.push_back(in_front(inputs[i], in_axes[i], s, size));
  }
  const List indices(all.begin() + 1, all.end() - 1);
  const int ndim = indices[0].ndim();
  mx::Shape along(ndim, 1);
  along[0] = size;
  const auto dtype = mx::size_of(indices[0].dtype()) < 4 ? mx::int32 : indices[0].dtype();
  const auto example = mx::broadcast_to(mx::reshape(mx::arange(size, dtype, s), along, s), indices[0].shape(), s);
  List places{example};
  places.insert(places.end(), indices.begin(), indices.end());
  auto dims = shifted(axes);
  dims.insert(dims.begin(), 0);
  return scatter(kind, all.front(), places, mx::expand_dims(all.back(), ndim, s), dims, s);
}

array bitwise(mx::BitwiseBinary& p, const array& a, const array& b, mx::Stream s) {
  const std::string_view name = p.name();
  return name == "BitwiseAnd" ? mx::bitwise_and(a, b, s)
      : name == "BitwiseOr"   ? mx::bitwise_or(a, b, s)
      : name == "BitwiseXor"  ? mx::bitwise_xor(a, b, s)
      : name == "LeftShift"   ? mx::left_shift(a, b, s)
                              : mx::right_shift(a, b, s);
}

array update_slice(mx::SliceUpdate::ReduceType kind,
                   const array& src,
                   const array& by,
                   const mx::Shape& start,
                   const mx::Shape& stop,
                   const mx::Shape& step,
                   mx::Stream s) {
  switch (kind) {
    case mx::SliceUpdate::Max:
      return mx::slice_update_max(src, by, start, stop, step, s);
    case mx::SliceUpdate::Min:
      return mx::slice_update_min(src, by, start, stop, step, s);
    case mx::SliceUpdate::Sum:
      return mx::slice_update_add(src, by, start, stop, step, s);
    case mx::SliceUpdate::Prod:
      return mx::slice_update_prod(src, by, start, stop, step, s);
    default:
      return mx::slice_update(src, by, start, stop, step, s);
  }
}

// The transform that `node` is, of another input: along its axes moved by `shift`.
array fourier(const array& node, const array& in, const array& size_of_input, int shift, mx::Stream s) {
  const auto [axes, inverse, real] = static_cast<mx::FFT&>(node.primitive()).state();
  Axes at;
  mx::Shape n;
  for (size_t axis : axes) {
    at.push_back(static_cast<int>(axis) + shift);
    n.push_back(real && inverse ? node.shape(axis) : size_of_input.shape(axis));
  }
  const auto norm = mx::fft::FFTNorm::Backward;
  return real && inverse ? mx::fft::irfftn(in, n, at, norm, s)
      : real             ? mx::fft::rfftn(in, n, at, norm, s)
      : inverse          ? mx::fft::ifftn(in, n, at, norm, s)
                         : mx::fft::fftn(in, n, at, norm, s);
}

// The bounds of a slice that give its elements whenever they are counted again: MLX keeps the end of a
// slice of one element, but not its step.
struct Bounds {
  mx::Shape start, stop, step;

  Bounds(mx::Shape first, mx::Shape last, mx::Shape by, const mx::Shape& taken)
      : start(std::move(first)), stop(std::move(last)), step(std::move(by)) {
    for (size_t i = 0; i < start.size(); i++) {
      if (taken[i] == 1) {
        stop[i] = start[i] + 1;
      }
    }
  }

  static Bounds of(const array& node) {
    auto [start, stop, step] = static_cast<mx::Slice&>(node.primitive()).state();
    return {std::move(start), std::move(stop), std::move(step), node.shape()};
  }

  // Adds a whole axis in front.
  void prepend(int size) {
    start.insert(start.begin(), 0);
    stop.insert(stop.begin(), size);
    step.insert(step.begin(), 1);
  }

  // The slice of `a`; one that leads backwards is copied, because MLX misreads negative strides.
  array take(const array& a, mx::Stream s) const {
    const auto part = mx::slice(a, start, stop, step, s);
    const bool backwards = std::any_of(step.begin(), step.end(), [](auto by) { return by < 0; });
    return backwards ? mx::contiguous(part, false, s) : part;
  }
};

struct Conv {
  Axes strides, low, high, dilation, input_dilation;
  int groups;
  bool flip;

  explicit Conv(const array& node) {
    std::tie(strides, low, high, dilation, input_dilation, groups, flip) =
        static_cast<mx::Convolution&>(node.primitive()).state();
  }

  array operator()(const array& in, const array& w, mx::Stream s) const {
    return mx::conv_general(in, w, strides, low, high, dilation, input_dilation, groups, flip, s);
  }
};

int dilated(int size, int by) {
  return size > 0 ? (size - 1) * by + 1 : 0;
}

// The first axis and the channels exchanged, group by group.
array exchanged(const array& x, int groups, int group_axis, int a, int b, mx::Stream s) {
  auto shape = x.shape();
  if (group_axis < 0) {
    group_axis += static_cast<int>(shape.size());
  }
  shape.insert(shape.begin() + group_axis, groups);
  shape[group_axis + 1] /= groups;
  return mx::flatten(mx::swapaxes(mx::reshape(x, shape, s), a, b, s), group_axis, group_axis + 1, s);
}

// The gradient of the input, also if the padding is wider than the kernel or elements are left over. MLX pads by a
// negative number in those cases, and crops the result once more.
array conv_input_grad(const Conv& c, const array& in, const array& w, const array& by, mx::Stream s) {
  const size_t n = c.low.size();
  Axes low(n), high(n), cut_low(n), ones(n, 1);
  for (size_t i = 0; i < n; i++) {
    const int width = dilated(w.shape(i + 1), c.dilation[i]);
    const int lo = width - c.low[i] - 1;
    const int size = dilated(in.shape(i + 1), c.input_dilation[i]);
    const int out = dilated(by.shape(i + 1), c.strides[i]);
    // One output for each element of the dilated input.
    const int hi = size + width - 1 - out - lo;
    cut_low[i] = std::max(-lo, 0);
    low[i] = std::max(lo, 0);
    high[i] = std::max(hi, 0);
  }
  const auto turned = exchanged(w, c.groups, 0, 1, -1, s);
  auto grad = mx::conv_general(by, turned, ones, low, high, c.dilation, c.strides, c.groups, !c.flip, s);
  mx::Shape start(grad.ndim(), 0), stop = grad.shape(), step(grad.ndim(), 1);
  for (size_t i = 0; i < n; i++) {
    start[i + 1] = cut_low[i];
    stop[i + 1] = cut_low[i] + dilated(in.shape(i + 1), c.input_dilation[i]);
    // A step over one element has no effect, so the slice's own gradient is right.
    step[i + 1] = in.shape(i + 1) > 1 ? c.input_dilation[i] : 1;
  }
  return mx::slice(grad, start, stop, step, s);
}

array conv_weight_grad(const Conv& c, const array& in, const array& w, const array& by, mx::Stream s) {
  const size_t n = c.low.size();
  // The input dilated and padded as the kernel sees it, and cropped to the kernel's reach.
  auto x = in;
  for (size_t i = 0; i < n; i++) {
    const int axis = static_cast<int>(i) + 1;
    if (c.input_dilation[i] > 1 && x.shape(axis) > 1) {
      const int count = x.shape(axis);
      auto wide = mx::expand_dims(x, axis + 1, s);
      std::vector<std::pair<int, int>> pads(wide.ndim(), {0, 0});
      pads[axis + 1].second = c.input_dilation[i] - 1;
      x = mx::flatten(mx::pad(wide, pads, array(0, x.dtype()), "constant", s), axis, axis + 1, s);
      mx::Shape start(x.ndim(), 0), stop = x.shape();
      stop[axis] = dilated(count, c.input_dilation[i]);
      x = mx::slice(x, start, stop, s);
    }
  }
  std::vector<std::pair<int, int>> pads(x.ndim(), {0, 0});
  mx::Shape start(x.ndim(), 0), stop = x.shape();
  for (size_t i = 0; i < n; i++) {
    pads[i + 1] = {std::max(c.low[i], 0), std::max(c.high[i], 0)};
    start[i + 1] = std::max(-c.low[i], 0);
    const int padded = x.shape(i + 1) + pads[i + 1].first + pads[i + 1].second;
    const int reach = dilated(by.shape(i + 1), c.strides[i]) + dilated(w.shape(i + 1), c.dilation[i]) - 1;
    stop[i + 1] = std::min(padded, start[i + 1] + reach);
  }
  x = mx::slice(mx::pad(x, pads, array(0, x.dtype()), "constant", s), start, stop, s);
  const Axes ones(n, 1), zeros(n, 0);
  const auto turned = exchanged(x, c.groups, -1, 0, -1, s);
  const auto grad = mx::conv_general(
      turned, mx::swapaxes(by, 0, -1, s), c.dilation, zeros, zeros, c.strides, ones, c.groups, false, s);
  auto out = mx::swapaxes(grad, 0, -1, s);
  if (c.flip) {
    mx::Shape first(out.ndim(), 0), last = out.shape(), step(out.ndim(), 1);
    for (size_t i = 1; i <= n; i++) {
      if (out.shape(i) > 1) {
        first[i] = out.shape(i) - 1;
        last[i] = -out.shape(i) - 1;
        step[i] = -1;
      }
    }
    out = mx::slice(out, first, last, step, s);
  }
  return out;
}

// Functions of complex numbers for which MLX multiplies the gradient by the derivative instead of its conjugate.
bool forgets_conjugate(std::string_view name) {
  constexpr std::string_view names[] = {"ArcCos", "ArcCosh", "ArcSin", "ArcSinh", "ArcTan", "ArcTanh", "Cos", "CumProd", "Power", "Rsqrt", "Sqrt"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// The derivative of z / |z| in the direction `by`, which is also its gradient for the cotangent `by`; 0 if z is 0.
array turned(const array& z, const array& by, mx::Stream s) {
  const auto unit = mx::sign(z, s), size = mx::abs(z, s);
  const auto along = mx::real(mx::multiply(mx::conjugate(unit, s), by, s), s);
  const auto across = mx::subtract(by, mx::multiply(unit, along, s), s);
  return mx::where(mx::equal(size, array(0.0f), s), mx::zeros_like(z, s), mx::divide(across, size, s), s);
}

// `a` with `by` in place of NaN. A complex number is NaN if either part is.
array without_nan(const array& a, float by, mx::Stream s) {
  const auto value = a.dtype() == mx::complex64 ? array(mx::complex64_t(by, by)) : array(by, a.dtype());
  return mx::where(mx::isnan(a, s), value, a, s);
}

// The gradient of a Hadamard transform of m * 2^k elements where the matrix of size m is not symmetric, or nothing. MLX
// applies the transform itself, also there.
std::optional<array> hadamard_grad(const array& node, const array& cotangent, mx::Stream s) {
  const int n = node.shape(-1);
  for (const int m : {20, 28}) {
    const int k = n / m;
    if (n % m != 0 || (k & (k - 1)) != 0) {
      continue;
    }
    auto shape = node.shape();
    shape.back() = m;
    shape.push_back(k);
    // The matrix is the Kronecker product of one of size m and a symmetric one of size 2^k.
    const auto inner = mx::hadamard_transform(mx::reshape(cotangent, shape, s), 1.0f, s);
    const auto transposed = mx::hadamard_transform(mx::eye(m, cotangent.dtype(), s), 1.0f, s);
    const float scale = static_cast<mx::Hadamard&>(node.primitive()).state();
    const auto outer = mx::multiply(mx::matmul(transposed, inner, s), array(scale, cotangent.dtype()), s);
    return mx::reshape(outer, node.shape(), s);
  }
  return std::nullopt;
}

// The gradient of a running extreme: each cotangent goes to the latest element that equals the extreme. NaN equals
// itself here. MLX writes outside the gradient if an extreme equals no element, as with NaN.
array running_extreme_grad(const array& node, const array& cotangent, mx::Stream s) {
  const auto [kind, axis, reverse, inclusive] = static_cast<mx::Scan&>(node.primitive()).state();
  const float infinite = std::numeric_limits<float>::infinity();
  const float nan = kind == mx::Scan::Max ? infinite : -infinite;
  const auto& in = node.inputs()[0];
  const int n = in.shape(axis);
  // An exclusive scan is an inclusive one of all elements but the last, moved by one place.
  const auto part = [&, axis = axis](const array& a, bool later) {
    if (inclusive) {
      return a;
    }
    mx::Shape start(a.ndim(), 0);
    auto stop = a.shape();
    (later != reverse ? start[axis] : stop[axis]) += later != reverse ? 1 : -1;
    return mx::slice(a, start, stop, s);
  };
  const auto elements = part(without_nan(in, nan, s), false);
  const auto extremes = part(without_nan(node, nan, s), true);
  mx::Shape along(in.ndim(), 1);
  along[axis] = elements.shape(axis);
  const int first = !inclusive && reverse ? 1 : 0;
  const auto places = mx::reshape(mx::arange(first, first + elements.shape(axis), mx::int32, s), along, s);
  const auto marked = mx::where(mx::equal(elements, extremes, s), places, array(reverse ? n : -1), s);
  const auto owner = reverse ? mx::cummin(marked, axis, true, true, s) : mx::cummax(marked, axis, false, true, s);
  const auto owned = mx::logical_and(
      mx::greater_equal(owner, array(0), s), mx::less(owner, array(n), s), s);
  const auto given = part(cotangent, true);
  const auto gradient = mx::where(owned, given, mx::zeros_like(given, s), s);
  const auto index = mx::stop_gradient(mx::clip(owner, array(0), array(n - 1), s), s);
  return mx::scatter_add_axis(mx::zeros_like(in, s), index, gradient, axis, s);
}

// MLX's `view` of a contiguous array keeps the stride of a last axis of size 1, which can be any number, even if the
// result has more elements along it. Two copies side by side have the right stride.
array view_rows(const array& a, mx::Dtype dtype, mx::Stream s) {
  const auto rows = mx::contiguous(a, false, s);
  if (a.shape(-1) != 1) {
    return mx::view(rows, dtype, s);
  }
  const auto both = mx::view(mx::concatenate({rows, rows}, -1, s), dtype, s);
  return mx::split(both, 2, -1, s)[0];
}

// The gradient of the updates: MLX takes slices as large as the source, although the updates are smaller.
array scatter_updates_grad(const array& node, const array& by, mx::Stream s) {
  const auto [kind, axes] = static_cast<mx::Scatter&>(node.primitive()).state();
  const auto& in = node.inputs();
  const auto& updates = in.back();
  const List indices(in.begin() + 1, in.end() - 1);
  const mx::Shape sizes(updates.shape().begin() + indices[0].ndim(), updates.shape().end());
  const auto gathered = mx::gather(by, indices, axes, sizes, s);
  if (kind == mx::Scatter::None || kind == mx::Scatter::Sum) {
    return gathered;
  }
  const auto kept = mx::equal(mx::gather(node, indices, axes, sizes, s), updates, s);
  return mx::where(kept, gathered, mx::zeros_like(gathered, s), s);
}

// The gradient of the elements that a mask selects, batch by batch. MLX counts through all batches, and writes past the
// source if it has fewer elements than the mask has places.
array masked_source_grad(const List& in, const array& by, mx::Stream s) {
  const auto& src = in[2];
  const int batches = by.shape(0);
  const int count = static_cast<int>(src.size()) / batches;
  const auto rows = [&](const array& a) { return mx::reshape(a, {batches, -1}, s); };
  const auto mask = rows(mx::broadcast_to(in[1], by.shape(), s));
  const auto place = mx::cumsum(mx::astype(mask, mx::int32, s), 1, false, false, s);
  const auto taken = mx::logical_and(mask, mx::less(place, array(count), s), s);
  const auto first = mx::reshape(mx::multiply(mx::arange(batches, mx::int32, s), array(count), s), {batches, 1}, s);
  const auto at = mx::flatten(mx::add(mx::minimum(place, array(count - 1), s), first, s), s);
  const auto updates = mx::where(taken, rows(by), array(0, by.dtype()), s);
  const auto flat = mx::scatter_add(mx::zeros({batches * count}, by.dtype(), s), at, mx::reshape(updates, {-1, 1}, s), 0, s);
  return mx::reshape(flat, src.shape(), s);
}

} // namespace

std::optional<Batch> vmap_rule(const array& node, const List& inputs, const Axes& axes) {
  auto& p = node.primitive();
  const auto s = p.stream();
  const std::string_view name = p.name();
  const auto front = [&](size_t i) { return in_front(inputs[i], axes[i], s); };
  if (name == "Scatter" || name.rfind("Scatter ", 0) == 0) {
    if (inputs.size() > 2) {
      return Batch{{scatter_batch(node, inputs, axes, s)}, {0}};
    }
  } else if (name == "ScatterAxis" || name == "ScatterAxis Sum") {
    const auto [kind, axis] = static_cast<mx::ScatterAxis&>(p).state();
    const int size = batch_size(inputs, axes);
    List all;
    for (size_t i = 0; i < inputs.size(); i++) {
      all.push_back(in_front(inputs[i], axes[i], s, size));
    }
    return Batch{{kind == mx::ScatterAxis::Sum ? mx::scatter_add_axis(all[0], all[1], all[2], axis + 1, s)
                                               : mx::put_along_axis(all[0], all[1], all[2], axis + 1, s)},
                 {0}};
  } else if (name.rfind("Bitwise", 0) == 0 || name == "LeftShift" || name == "RightShift") {
    if (inputs.size() == 2) {
      return Batch{{bitwise(static_cast<mx::BitwiseBinary&>(p), front(0), front(1), s)}, {0}};
    }
  } else if (name == "ExpandDims") {
    return Batch{{mx::expand_dims(front(0), shifted(static_cast<mx::ExpandDims&>(p).state()), s)}, {0}};
  } else if (name == "Reshape") {
    return Batch{{mx::reshape(front(0), batched(batch_size(inputs, axes), node.shape()), s)}, {0}};
  } else if (name == "Broadcast" && inputs.size() == 1) {
    auto in = front(0);
    const int size = in.shape(0);
    mx::Shape shape(node.ndim() - inputs[0].ndim() + 2, 1);
    shape[0] = size;
    shape.insert(shape.end(), in.shape().begin() + 1, in.shape().end());
    in = mx::reshape(in, shape, s);
    return Batch{{mx::broadcast_to(in, batched(size, node.shape()), s)}, {0}};
  } else if (name == "Slice") {
    auto bounds = Bounds::of(node);
    bounds.prepend(batch_size(inputs, axes));
    return Batch{{bounds.take(front(0), s)}, {0}};
  } else if (name.rfind("SliceUpdate", 0) == 0) {
    auto [kind, start, stop, step] = static_cast<mx::SliceUpdate&>(p).state();
    const int size = batch_size(inputs, axes);
    const auto src = in_front(inputs[0], axes[0], s, size);
    const auto by = in_front(inputs[1], axes[1], s, size);
    Bounds b(std::move(start), std::move(stop), std::move(step), node.inputs()[1].shape());
    b.prepend(size);
    return Batch{{update_slice(kind, src, by, b.start, b.stop, b.step, s)}, {0}};
  } else if (name == "DynamicSliceUpdate" && axes[2] < 0) {
    const int size = batch_size(inputs, axes);
    return Batch{p.vmap({in_front(inputs[0], axes[0], s, size), in_front(inputs[1], axes[1], s, size), inputs[2]}, {0, 0, -1})};
  } else if (name == "NotEqual") {
    return Batch{{mx::not_equal(front(0), front(1), s)}, {0}};
  } else if (name == "DivMod") {
    return Batch{mx::divmod(front(0), front(1), s), {0, 0}};
  } else if (name.rfind("View ", 0) == 0) {
    return Batch{{view_rows(front(0), node.dtype(), s)}, {0}};
  } else if (name == "FFT") {
    // The sizes of the example say how long a real result is.
    return Batch{{fourier(node, front(0), node.inputs()[0], 1, s)}, {0}};
  } else if (name == "Convolution") {
    const Conv c(node);
    if (c.groups > 1 && axes[1] >= 0) {
      // Groups of each example, not examples of each group.
      const int size = batch_size(inputs, axes);
      return Batch{p.vmap({in_front(inputs[0], axes[0], s, size), inputs[1]}, {0, axes[1]})};
    }
  }
  return std::nullopt;
}

std::optional<List> jvp_rule(const array& node, const List& tangents, const std::vector<int>& argnums) {
  auto& p = node.primitive();
  const auto s = p.stream();
  const std::string_view name = p.name();
  const auto& in = node.inputs();
  // The tangent of input `n`; zeros if it has none.
  const auto tangent = [&](int n) {
    for (size_t i = 0; i < argnums.size(); i++) {
      if (argnums[i] == n) {
        return tangents[i];
      }
    }
    return mx::zeros_like(in[n], s);
  };
  const auto sum = [&](List parts) {
    array out = parts[0];
    for (size_t i = 1; i < parts.size(); i++) {
      out = mx::add(out, parts[i], s);
    }
    return List{out};
  };
  if (name == "Split") {
    const auto [indices, axis] = static_cast<mx::Split&>(p).state();
    return mx::split(forwards(tangents[0], s), indices, axis, s);
  }
  if (name == "AddMM") {
    const auto [alpha, beta] = static_cast<mx::AddMM&>(p).state();
    List parts;
    const auto scaled = [&, s](const array& a, float by) { return mx::multiply(a, array(by, a.dtype()), s); };
    for (int n : argnums) {
      parts.push_back(n == 0 ? scaled(mx::matmul(tangent(0), in[1], s), alpha)
                      : n == 1 ? scaled(mx::matmul(in[0], tangent(1), s), alpha)
                               : scaled(tangent(2), beta));
    }
    return sum(std::move(parts));
  }
  if (name == "Sign" && node.dtype() == mx::complex64) {
    return List{turned(in[0], tangents[0], s)};
  }
  if (name == "Slice") {
    return List{Bounds::of(node).take(tangents[0], s)};
  }
  if (name == "FFT") {
    return List{fourier(node, tangents[0], in[0], 0, s)};
  }
  if (name == "Convolution") {
    const Conv c(node);
    List parts;
    for (int n : argnums) {
      parts.push_back(n == 0 ? c(tangent(0), in[1], s) : c(in[0], tangent(1), s));
    }
    return sum(std::move(parts));
  }
  if (name == "Scatter" || name == "Scatter Sum") {
    // Linear in the source and the updates.
    const auto [kind, axes] = static_cast<mx::Scatter&>(p).state();
    const int last = static_cast<int>(in.size()) - 1;
    const bool linear = std::all_of(argnums.begin(), argnums.end(), [&](int n) { return n == 0 || n == last; });
    if (linear && in.size() > 2) {
      return List{scatter(kind, tangent(0), {in.begin() + 1, in.end() - 1}, tangent(last), axes, s)};
    }
  }
  return std::nullopt;
}

std::optional<List> vjp_rule(const array& node, const List& cotangents, const std::vector<int>& argnums) {
  auto& p = node.primitive();
  const auto s = p.stream();
  const std::string_view name = p.name();
  const auto& in = node.inputs();
  if (node.dtype() == mx::complex64 && forgets_conjugate(name)) {
    auto grads = p.vjp(in, {mx::conjugate(cotangents[0], s)}, argnums, {node});
    for (auto& grad : grads) {
      grad = mx::conjugate(grad, s);
    }
    return grads;
  }
  if (name == "Sign" && node.dtype() == mx::complex64) {
    return List{turned(in[0], cotangents[0], s)};
  }
  if (name.rfind("Scatter", 0) == 0 && name.rfind("ScatterAxis", 0) != 0 && name != "Scatter Prod" && in.size() > 2) {
    List grads;
    for (int n : argnums) {
      grads.push_back(n == static_cast<int>(in.size()) - 1 ? scatter_updates_grad(node, cotangents[0], s)
                                                           : p.vjp(in, cotangents, {n}, {node})[0]);
    }
    return grads;
  }
  if (name == "Hadamard") {
    const auto grad = hadamard_grad(node, cotangents[0], s);
    return grad ? std::optional<List>({*grad}) : std::nullopt;
  }
  if (name == "MaskedScatter") {
    List grads;
    for (int n : argnums) {
      grads.push_back(n == 2 ? masked_source_grad(in, cotangents[0], s) : p.vjp(in, cotangents, {n}, {node})[0]);
    }
    return grads;
  }
  if ((name == "CumMax" || name == "CumMin") && mx::issubdtype(in[0].dtype(), mx::inexact)) {
    return List{running_extreme_grad(node, cotangents[0], s)};
  }
  if (name == "Slice") {
    const auto b = Bounds::of(node);
    return List{mx::slice_update(mx::zeros_like(in[0], s), cotangents[0], b.start, b.stop, b.step, s)};
  }
  if (name == "Convolution") {
    const Conv c(node);
    // MLX's rule is right if no padding turns negative, and takes fewer operations.
    bool ours = false;
    for (size_t i = 0; i < c.low.size(); i++) {
      const int width = dilated(in[1].shape(i + 1), c.dilation[i]);
      const int size = dilated(in[0].shape(i + 1), c.input_dilation[i]);
      const int out = dilated(node.shape(i + 1), c.strides[i]);
      ours |= c.low[i] > width - 1 || size - out + c.high[i] < 0 || c.input_dilation[i] > 1;
      ours |= c.flip || c.low[i] != c.high[i] || out - size + width - c.low[i] - 1 < 0;
    }
    if (ours) {
      List grads;
      for (int n : argnums) {
        grads.push_back(n == 0 ? conv_input_grad(c, in[0], in[1], cotangents[0], s)
                               : conv_weight_grad(c, in[0], in[1], cotangents[0], s));
      }
      return grads;
    }
  }
  return std::nullopt;
}

} // namespace mlxrs

// Rules of `jvp` and `vjp`, by the name of the primitive; see rules.h.

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>

#include "transforms/forwards.h"
#include "graph/primitive_names.h"
#include "transforms/operations.h"
#include "transforms/rules.h"

namespace mlxrs {

namespace {

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
  constexpr std::string_view names[] = {
      MLXRS_NAME(ArcCos), MLXRS_NAME(ArcCosh), MLXRS_NAME(ArcSin), MLXRS_NAME(ArcSinh), MLXRS_NAME(ArcTan),
      MLXRS_NAME(ArcTanh), MLXRS_NAME(Cos), MLXRS_NAME(Power), MLXRS_NAME(Sqrt), named<mx::Sqrt>("Rsqrt"),
      named<mx::Scan>("CumProd")};
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
  if (name == MLXRS_NAME(Split)) {
    const auto [indices, axis] = static_cast<mx::Split&>(p).state();
    return mx::split(forwards(tangents[0], s), indices, axis, s);
  }
  if (name == MLXRS_NAME(AddMM)) {
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
  if (name == MLXRS_NAME(Sign) && node.dtype() == mx::complex64) {
    return List{turned(in[0], tangents[0], s)};
  }
  if (name == MLXRS_NAME(Slice)) {
    return List{Bounds::of(node).take(tangents[0], s)};
  }
  if (name == MLXRS_NAME(FFT)) {
    return List{fourier(node, tangents[0], in[0], 0, s)};
  }
  if (name == MLXRS_NAME(Convolution)) {
    const Conv c(node);
    List parts;
    for (int n : argnums) {
      parts.push_back(n == 0 ? c(tangent(0), in[1], s) : c(in[0], tangent(1), s));
    }
    return sum(std::move(parts));
  }
  if (name == MLXRS_NAME(Scatter) || name == "Scatter Sum") {
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
  if (name == MLXRS_NAME(Select)) {
    // MLX multiplies by the condition as a number: two operations, and NaN where what is not taken is infinite.
    const auto& by = cotangents[0];
    const auto zero = array(0, by.dtype());
    List grads;
    for (int n : argnums) {
      grads.push_back(n == 0   ? mx::zeros_like(in[0], s)
                      : n == 1 ? mx::where(in[0], by, zero, s)
                               : mx::where(in[0], zero, by, s));
    }
    return grads;
  }
  if (name == MLXRS_NAME(Sign) && node.dtype() == mx::complex64) {
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
  const auto dtype = in.empty() ? mx::float32 : in[0].dtype();
  if ((name == MLXRS_NAME(Gather) || name == MLXRS_NAME(GatherAxis)) && (dtype == mx::bfloat16 || dtype == mx::float16)) {
    // An element that is taken often has a sum as its gradient, and a sum in so few bits soon ends to grow.
    List wide = in;
    wide[0] = mx::astype(in[0], mx::float32, s);
    auto grads = p.vjp(wide, {mx::astype(cotangents[0], mx::float32, s)}, argnums, {node});
    for (auto& grad : grads) {
      grad = mx::astype(grad, dtype, s);
    }
    return grads;
  }
  if (name == MLXRS_NAME(Hadamard)) {
    const auto grad = hadamard_grad(node, cotangents[0], s);
    return grad ? std::optional<List>({*grad}) : std::nullopt;
  }
  if (name == MLXRS_NAME(MaskedScatter)) {
    List grads;
    for (int n : argnums) {
      grads.push_back(n == 2 ? masked_source_grad(in, cotangents[0], s) : p.vjp(in, cotangents, {n}, {node})[0]);
    }
    return grads;
  }
  if ((name == named<mx::Scan>("CumMax") || name == named<mx::Scan>("CumMin")) && mx::issubdtype(in[0].dtype(), mx::inexact)) {
    return List{running_extreme_grad(node, cotangents[0], s)};
  }
  if (name == MLXRS_NAME(Slice)) {
    const auto b = Bounds::of(node);
    return List{mx::slice_update(mx::zeros_like(in[0], s), cotangents[0], b.start, b.stop, b.step, s)};
  }
  if (name == MLXRS_NAME(Convolution)) {
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

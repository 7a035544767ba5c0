// Rules of `vmap`, by the name of the primitive; see rules.h.

#include <string_view>

#include "graph/primitive_names.h"
#include "transforms/operations.h"
#include "transforms/rules.h"

namespace mlxrs {

namespace {

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

} // namespace

std::optional<Batch> vmap_rule(const array& node, const List& inputs, const Axes& axes) {
  auto& p = node.primitive();
  const auto s = p.stream();
  const std::string_view name = p.name();
  const auto front = [&](size_t i) { return in_front(inputs[i], axes[i], s); };
  if (name == MLXRS_NAME(Scatter) || name.rfind("Scatter ", 0) == 0) {
    if (inputs.size() > 2) {
      return Batch{{scatter_batch(node, inputs, axes, s)}, {0}};
    }
  } else if (name == MLXRS_NAME(ScatterAxis) || name == "ScatterAxis Sum") {
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
  } else if (name == MLXRS_NAME(ExpandDims)) {
    return Batch{{mx::expand_dims(front(0), shifted(static_cast<mx::ExpandDims&>(p).state()), s)}, {0}};
  } else if (name == MLXRS_NAME(Reshape)) {
    return Batch{{mx::reshape(front(0), batched(batch_size(inputs, axes), node.shape()), s)}, {0}};
  } else if (name == MLXRS_NAME(Broadcast) && inputs.size() == 1) {
    auto in = front(0);
    const int size = in.shape(0);
    mx::Shape shape(node.ndim() - inputs[0].ndim() + 2, 1);
    shape[0] = size;
    shape.insert(shape.end(), in.shape().begin() + 1, in.shape().end());
    in = mx::reshape(in, shape, s);
    return Batch{{mx::broadcast_to(in, batched(size, node.shape()), s)}, {0}};
  } else if (name == MLXRS_NAME(Slice)) {
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
  } else if (name == MLXRS_NAME(DynamicSliceUpdate) && axes[2] < 0) {
    const int size = batch_size(inputs, axes);
    return Batch{p.vmap({in_front(inputs[0], axes[0], s, size), in_front(inputs[1], axes[1], s, size), inputs[2]}, {0, 0, -1})};
  } else if (name == MLXRS_NAME(NotEqual)) {
    return Batch{{mx::not_equal(front(0), front(1), s)}, {0}};
  } else if (name == MLXRS_NAME(DivMod)) {
    return Batch{mx::divmod(front(0), front(1), s), {0, 0}};
  } else if (name.rfind("View ", 0) == 0) {
    return Batch{{view_rows(front(0), node.dtype(), s)}, {0}};
  } else if (name == MLXRS_NAME(FFT)) {
    // The sizes of the example say how long a real result is.
    return Batch{{fourier(node, front(0), node.inputs()[0], 1, s)}, {0}};
  } else if (name == MLXRS_NAME(Convolution)) {
    const Conv c(node);
    if (c.groups > 1 && axes[1] >= 0) {
      // Groups of each example, not examples of each group.
      const int size = batch_size(inputs, axes);
      return Batch{p.vmap({in_front(inputs[0], axes[0], s, size), inputs[1]}, {0, axes[1]})};
    }
  }
  return std::nullopt;
}

} // namespace mlxrs

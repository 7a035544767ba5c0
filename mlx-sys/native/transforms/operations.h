// Operations with the settings of a node of the graph, for the rules.
#pragma once

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "mlx/mlx.h"
#include "mlx/primitives.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

using List = std::vector<array>;
using Axes = std::vector<int>;

inline array scatter(mx::Scatter::ReduceType kind, const array& src, const List& indices, const array& updates, const Axes& axes, mx::Stream s) {
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

// The transform that `node` is, of another input: along its axes moved by `shift`.
inline array fourier(const array& node, const array& in, const array& size_of_input, int shift, mx::Stream s) {
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

} // namespace mlxrs

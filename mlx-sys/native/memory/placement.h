// Storage that MLX's CPU backend gives to the results of its operations, by the operation's name.
#pragma once

#include <string_view>
#include <unordered_set>

namespace mlxrs {

using Names = std::unordered_set<std::string_view>;

// Operations with an output that is a view of an input; their evaluation touches no data.
inline const Names& views() {
  static const Names names{"Broadcast", "BroadcastAxes", "Copy", "CustomTransforms", "Depends",
                           "ExpandDims", "Parts", "Slice", "Split", "Squeeze", "StopGradient", "Transpose"};
  return names;
}

// Results placed as the input, or over it (set_unary_output_data).
inline const Names& unary() {
  static const Names names{"Abs",    "ArcCos", "ArcCosh", "ArcSin",   "ArcSinh",    "ArcTan",
                           "ArcTanh", "Ceil",  "Conjugate", "Cos",    "Cosh",       "Erf",
                           "ErfInv", "Exp",    "Expm1",   "Floor",    "Log",        "Log10",
                           "Log1p",  "Log2",   "LogicalNot", "Negative", "Round",   "Rsqrt",
                           "Sigmoid", "Sign",  "Sin",     "Sinh",     "Sqrt",       "Square",
                           "Tan",    "Tanh",   "BitwiseInvert", "AsType"};
  return names;
}

// Results placed as one of two inputs, or over it (set_binary_op_output_data).
inline const Names& binary() {
  static const Names names{"Add",       "ArcTan2",    "BitwiseAnd", "BitwiseOr", "BitwiseXor",
                           "Divide",    "Equal",      "Greater",    "GreaterEqual", "LeftShift",
                           "Less",      "LessEqual",  "LogAddExp",  "LogicalAnd", "LogicalOr",
                           "Maximum",   "Minimum",    "Multiply",   "NaNEqual",  "NotEqual",
                           "Power",     "Remainder",  "RightShift", "Subtract"};
  return names;
}

// True if `name` begins with `with`.
inline bool begins(std::string_view name, std::string_view with) {
  return name.substr(0, with.size()) == with;
}

} // namespace mlxrs

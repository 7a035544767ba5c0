// Storage that MLX's CPU backend gives to the results of its operations, by the operation's name.
#pragma once

#include <string_view>
#include <unordered_set>

#include "graph/primitive_names.h"

namespace mlxrs {

using Names = std::unordered_set<std::string_view>;

// Operations with an output that is a view of an input; their evaluation touches no data.
inline const Names& views() {
  static const Names names{
      MLXRS_NAME(Broadcast), MLXRS_NAME(BroadcastAxes), MLXRS_NAME(Copy), MLXRS_NAME(CustomTransforms),
      MLXRS_NAME(Depends), MLXRS_NAME(ExpandDims), MLXRS_NAME(Slice), MLXRS_NAME(Split), MLXRS_NAME(Squeeze),
      MLXRS_NAME(StopGradient), MLXRS_NAME(Transpose), "Parts" /* buffer_views.cpp */};
  return names;
}

// Results placed as the input, or over it (set_unary_output_data).
inline const Names& unary() {
  static const Names names{
      MLXRS_NAME(Abs), MLXRS_NAME(ArcCos), MLXRS_NAME(ArcCosh), MLXRS_NAME(ArcSin), MLXRS_NAME(ArcSinh),
      MLXRS_NAME(ArcTan), MLXRS_NAME(ArcTanh), MLXRS_NAME(AsType), MLXRS_NAME(BitwiseInvert), MLXRS_NAME(Ceil),
      MLXRS_NAME(Conjugate), MLXRS_NAME(Cos), MLXRS_NAME(Cosh), MLXRS_NAME(Erf), MLXRS_NAME(ErfInv),
      MLXRS_NAME(Exp), MLXRS_NAME(Expm1), MLXRS_NAME(Floor), MLXRS_NAME(Log1p), MLXRS_NAME(LogicalNot),
      MLXRS_NAME(Negative), MLXRS_NAME(Round), MLXRS_NAME(Sigmoid), MLXRS_NAME(Sign), MLXRS_NAME(Sin),
      MLXRS_NAME(Sinh), MLXRS_NAME(Square), MLXRS_NAME(Tan), MLXRS_NAME(Tanh), named<mlx::core::Log>("Log"),
      named<mlx::core::Log>("Log2"), named<mlx::core::Log>("Log10"), named<mlx::core::Sqrt>("Sqrt"),
      named<mlx::core::Sqrt>("Rsqrt")};
  return names;
}

// Results placed as one of two inputs, or over it (set_binary_op_output_data).
inline const Names& binary() {
  static const Names names{
      MLXRS_NAME(Add), MLXRS_NAME(ArcTan2), MLXRS_NAME(Divide), MLXRS_NAME(Greater), MLXRS_NAME(GreaterEqual),
      MLXRS_NAME(Less), MLXRS_NAME(LessEqual), MLXRS_NAME(LogAddExp), MLXRS_NAME(LogicalAnd),
      MLXRS_NAME(LogicalOr), MLXRS_NAME(Maximum), MLXRS_NAME(Minimum), MLXRS_NAME(Multiply), MLXRS_NAME(NotEqual),
      MLXRS_NAME(Power), MLXRS_NAME(Remainder), MLXRS_NAME(Subtract), named<mlx::core::Equal>("Equal"),
      named<mlx::core::Equal>("NaNEqual"), named<mlx::core::BitwiseBinary>("BitwiseAnd"),
      named<mlx::core::BitwiseBinary>("BitwiseOr"), named<mlx::core::BitwiseBinary>("BitwiseXor"),
      named<mlx::core::BitwiseBinary>("LeftShift"), named<mlx::core::BitwiseBinary>("RightShift")};
  return names;
}

} // namespace mlxrs

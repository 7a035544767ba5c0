// Fused float32 operations for the CPU, with their own gradients.
//
// MLX's CPU backend makes one pass per operation, and its published builds are compiled for the
// oldest x86-64: no wide vectors, an exp that calls libm for every term. Each operation here is one or
// two vectorised passes and hands all products to the BLAS on strided views, without copies.
//
// Every function checks its arguments and throws std::invalid_argument; the primitives that it builds trust their
// inputs. Inputs may have any strides. The first one must be float32; others are promoted from half types. Only reverse
// mode is supported: jvp, vmap and a second derivative throw. NaN and infinity come out as NaN or infinity.
#pragma once

#include <vector>

#include "mlx/mlx.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

// Returns true if the operations below can take `x` on the stream: float32, a CPU, and a BLAS to call.
bool fused_available(const array& x, const mx::Stream& stream);

// The layout and rotation of heads, and the scale of scores.
struct AttentionOptions {
  int head_dim; // even
  // Rotary pairs: neighbouring features if traditional, else feature i and i + head_dim / 2.
  bool traditional;
  float scale;
  // The position of the first row; it matters to the rotation only.
  int offset;

  bool operator==(const AttentionOptions&) const = default;
};

// Rotary embedding and causal self-attention: q [B, L, H*D], k and v [B, L, K*D] -> [B, L, H*D]. H is a multiple of K,
// and neighbouring query heads share a key head. Pair j at position p turns by p * freqs[j]; freqs [D/2] is a constant
// (its gradient is zero).
array rope_attention(const array& q,
                     const array& k,
                     const array& v,
                     const array& freqs,
                     const AttentionOptions& options,
                     mx::Stream stream);

// weights[i] * (logsumexp(z[i]) - z[i][targets[i]]) of the logits z = x @ w.T, which never exist
// whole: x [.., d], w [V, d], targets [..] (integers), weights [..] -> [..].
//
// Rows of weight 0 cost nothing: their loss and gradient are 0 whatever else they hold. A target
// outside 0..V makes its row NaN. With `with_grad` the gradient with respect to x is computed
// along with the value; nothing else can be differentiated.
array linear_cross_entropy(const array& x,
                           const array& w,
                           const array& targets,
                           const array& weights,
                           bool with_grad,
                           mx::Stream stream);

// The elements of arrays of one type, each in row-major order, one array after the other. On a CPU stream there is no
// gradient; on others this is a concatenation.
array gather(const std::vector<array>& arrays, mx::Stream stream);

} // namespace mlxrs
